package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"

	"tolem/cmd/tolem/certificates"
	"tolem/partners/processing"
)

// address is a variable that holds one.
type address struct{ variable, value string }

// readTLS reads how we meet a partner over TLS: NAME_TLS_CA, NAME_TLS_CERT and NAME_TLS_KEY,
// files in PEM. Without any, https is verified against the system's authorities. With one,
// an address of the partner without TLS is a mistake.
func readTLS(get func(name, otherwise string) string, note func(string, error), partner string, addresses ...address) certificates.Files {
	f := certificates.Files{
		Authorities: get(partner+"_TLS_CA", ""), Certificate: get(partner+"_TLS_CERT", ""), Key: get(partner+"_TLS_KEY", ""),
	}
	notePair(note, partner+"_TLS_CERT", partner+"_TLS_KEY", f)
	for _, a := range addresses {
		if u, err := url.Parse(a.value); err == nil && u.Scheme == "http" && !f.Empty() {
			note(partner+"_TLS_*", errors.New("is set, but "+a.variable+" begins with http://: nothing would be encrypted"))
		}
	}
	return f
}

// readAPITLS reads how the API answers: API_TLS_CERT, API_TLS_KEY, API_TLS_CLIENT_CA.
func readAPITLS(get func(name, otherwise string) string, note func(string, error)) certificates.Files {
	f := certificates.Files{Authorities: get("API_TLS_CLIENT_CA", ""), Certificate: get("API_TLS_CERT", ""), Key: get("API_TLS_KEY", "")}
	notePair(note, "API_TLS_CERT", "API_TLS_KEY", f)
	if f.Authorities != "" && f.Certificate == "" {
		note("API_TLS_CLIENT_CA", errors.New("needs API_TLS_CERT and API_TLS_KEY: clients show certificates over TLS only"))
	}
	return f
}

func notePair(note func(string, error), certificate, key string, f certificates.Files) {
	switch {
	case f.Certificate != "" && f.Key == "":
		note(key, errors.New("is needed with "+certificate))
	case f.Certificate == "" && f.Key != "":
		note(certificate, errors.New("is needed with "+key))
	}
}

// partnerTLS are the settings for calls to a partner; nil are the client's own.
func partnerTLS(partner string, f certificates.Files) (*tls.Config, error) {
	settings, err := certificates.Client(f)
	if err != nil {
		return nil, fmt.Errorf("%w: %s_TLS_CA, %s_TLS_CERT, %s_TLS_KEY: %w", ErrConfig, partner, partner, partner, err)
	}
	return settings, nil
}

// centre speaks with the processing centre.
func (c Config) centre() (*processing.Client, error) {
	settings, err := partnerTLS("PROCESSING", c.ProcessingTLS)
	if err != nil {
		return nil, err
	}
	centre, err := processing.New(processing.Options{URL: c.ProcessingURL, Token: c.ProcessingToken, Timeout: c.PartnerTimeout, TLS: settings})
	if err != nil {
		variable := "PROCESSING_URL"
		if errors.Is(err, processing.ErrToken) {
			variable = "PROCESSING_TOKEN"
		}
		return nil, fmt.Errorf("%w: %s: %w", ErrConfig, variable, err)
	}
	return centre, nil
}

// warnOfPlainText names the wires to other machines that whoever is between can read and
// change.
func (c Config) warnOfPlainText(ctx context.Context) {
	plain := c.Collection.absAddresses()
	plain = append(plain, address{"PROCESSING_URL", c.ProcessingURL}, address{"CFRONT_URL", c.CFRONT.URL})
	if !c.Collection.Encrypted {
		for _, broker := range c.Collection.Loxon.Brokers {
			plain = append(plain, address{"KAFKA_BROKERS", "http://" + broker})
		}
	}
	if c.Temporal.ConnectionOptions.TLS == nil {
		plain = append(plain, address{"TEMPORAL_ADDRESS", "http://" + c.Temporal.HostPort})
	}
	for _, a := range plain {
		u, err := url.Parse(a.value)
		if err == nil && u.Scheme == "http" && !isLoopback(u.Hostname()) {
			slog.WarnContext(ctx, "a wire to another machine is not encrypted: what it carries can be read and changed on the way", "variable", a.variable, "host", u.Host)
		}
	}
}

func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// scheme is how the API's addresses begin.
func (c Config) scheme() string {
	if c.APITLS.Empty() {
		return "http://"
	}
	return "https://"
}

// callback is where the simulated bank reaches the API. Behind TLS it cannot: it knows no
// private authority and has no certificate. It is polled then.
func (c Config) callback() string {
	if c.APITLS.Empty() {
		return c.scheme() + c.APIAddr
	}
	return ""
}

// secured puts TLS in front of the API where it has a certificate. Without one it says so
// when other machines can reach it.
func (c Config) secured(ctx context.Context, plain net.Listener) (net.Listener, error) {
	if c.APITLS.Empty() {
		if addr, ok := plain.Addr().(*net.TCPAddr); ok && !addr.IP.IsLoopback() {
			slog.WarnContext(ctx, "the API listens for other machines without TLS: tokens, names and account numbers cross the network readable; set API_TLS_CERT and API_TLS_KEY, or keep API_ADDR on loopback behind a proxy with TLS",
				"address", addr.String())
		}
		return plain, nil
	}
	settings, err := certificates.Server(c.APITLS)
	if err != nil {
		return plain, fmt.Errorf("%w: API_TLS_CERT, API_TLS_KEY, API_TLS_CLIENT_CA: %w", ErrConfig, err)
	}
	return tls.NewListener(plain, settings), nil
}
