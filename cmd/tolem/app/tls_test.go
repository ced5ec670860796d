package app_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"tolem/cmd/tolem/app"
	"tolem/cmd/tolem/certificates"
	"tolem/cmd/tolem/certificates/certificatestest"
	"tolem/domain"
	"tolem/partners/processing"
)

// partner answers over TLS, remembers who called, and what reached it.
type partner struct {
	address string // host:port

	mu      sync.Mutex
	callers []string // the names on their certificates; "" where none was shown
}

// newPartner shows a certificate of its own, and with authorities it asks for its clients'.
func newPartner(t *testing.T, f certificates.Files) *partner {
	t.Helper()
	p := &partner{}
	settings, err := certificates.Server(f)
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		name := ""
		for _, shown := range r.TLS.PeerCertificates[:min(1, len(r.TLS.PeerCertificates))] {
			name = shown.Subject.CommonName
		}
		p.callers = append(p.callers, name)
		_, _ = io.WriteString(w, `{"result":0,"resultMessage":"ok"}`) // a caller that went away is not this test's
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // refused handshakes, on purpose
	server.Listener = tls.NewListener(server.Listener, settings)
	server.Start()
	t.Cleanup(server.Close)
	p.address = server.Listener.Addr().String()
	return p
}

func (p *partner) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.callers...)
}

func config(t *testing.T, pairs map[string]string) app.Config {
	t.Helper()
	c, err := app.Read(env(pairs), client.Options{HostPort: "127.0.0.1:1"})
	require.NoError(t, err)
	return c
}

// Whoever is not the centre gets no payment, and a payment that fails for that is of
// unknown outcome: a certificate says nothing about where money is.
func TestPaymentsGoToTheCentreAlone(t *testing.T) {
	ours, foreign := certificatestest.New(t, "ours"), certificatestest.New(t, "foreign")
	server := func(a *certificatestest.Authority, o certificatestest.Of) certificates.Files {
		certificate, key := a.Issue("centre "+o.Host, o)
		return certificates.Files{Authorities: ours.File, Certificate: certificate, Key: key}
	}
	certificate, key := ours.Issue("tolem", certificatestest.Of{Client: true})
	strange, strangeKey := foreign.Issue("tolem", certificatestest.Of{Client: true})
	we := map[string]string{"PROCESSING_TLS_CA": ours.File, "PROCESSING_TLS_CERT": certificate, "PROCESSING_TLS_KEY": key}
	for name, c := range map[string]struct {
		server certificates.Files
		client map[string]string
		paid   bool
	}{
		"the centre":             {server(ours, certificatestest.Of{}), we, true},
		"foreign authority":      {server(foreign, certificatestest.Of{}), we, false},
		"another host":           {server(ours, certificatestest.Of{Host: "centre.example"}), we, false},
		"authority not known":    {server(ours, certificatestest.Of{}), map[string]string{"PROCESSING_TLS_CERT": certificate, "PROCESSING_TLS_KEY": key}, false},
		"no files":               {server(ours, certificatestest.Of{}), nil, false},
		"we show no certificate": {server(ours, certificatestest.Of{}), map[string]string{"PROCESSING_TLS_CA": ours.File}, false},
		"we show a foreign one":  {server(ours, certificatestest.Of{}), map[string]string{"PROCESSING_TLS_CA": ours.File, "PROCESSING_TLS_CERT": strange, "PROCESSING_TLS_KEY": strangeKey}, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPartner(t, c.server)
			pairs := map[string]string{"PROCESSING_URL": "https://" + p.address, "PROCESSING_TOKEN": "hunter2"}
			for name, value := range c.client {
				pairs[name] = value
			}
			centre, err := config(t, pairs).Centre()
			require.NoError(t, err)
			_, err = centre.Pay(t.Context(), []byte(`{"account":"7770017711"}`))
			if c.paid {
				require.NoError(t, err)
				require.Equal(t, []string{"tolem"}, p.seen())
				return
			}
			var failure *processing.Failure
			require.ErrorAs(t, err, &failure)
			require.Equal(t, domain.Unknown, failure.Kind)
			require.Contains(t, []string{processing.ReasonTLS, processing.ReasonReset}, failure.Reason)
			require.Empty(t, p.seen())
		})
	}
}

// Every partner is met in the same way, by its own variables.
func TestEveryPartnerIsShownOurCertificate(t *testing.T) {
	ours := certificatestest.New(t, "ours")
	certificate, key := ours.Issue("partner", certificatestest.Of{})
	p := newPartner(t, certificates.Files{Authorities: ours.File, Certificate: certificate, Key: key})
	url := "https://" + p.address
	broker, callers := newBroker(t, certificates.Files{Authorities: ours.File, Certificate: certificate, Key: key})
	pairs := map[string]string{
		"CFRONT_URL": url, "CFRONT_STORE_ID": "s", "CFRONT_SECRET": "hunter2", "CFRONT_AGREEMENT": "agreement.json",
		"ABS_CLIENT_URL": url, "ABS_ACCOUNTS_URL": url, "ABS_STATEMENT_URL": url, "ABS_SCAN_URL": url, "BANK_BIC": "HSBKKZKX",
		"KAFKA_BROKERS": broker, "KAFKA_TLS": "yes",
	}
	for _, partner := range []string{"CFRONT", "ABS", "KAFKA"} {
		certificate, key := ours.Issue("to "+partner, certificatestest.Of{Client: true})
		pairs[partner+"_TLS_CA"], pairs[partner+"_TLS_CERT"], pairs[partner+"_TLS_KEY"] = ours.File, certificate, key
	}
	c := config(t, pairs)
	bank, err := c.Bank()
	require.NoError(t, err)
	_, _ = bank.State(t.Context(), "1") // who called is what matters, not the answer
	system, err := c.ABS()
	require.NoError(t, err)
	_, _ = system.ClientCard(t.Context(), "900101300123")
	require.Equal(t, []string{"to CFRONT", "to ABS"}, p.seen())

	producer, err := c.Producer()
	require.NoError(t, err)
	require.Error(t, producer.Probe(t.Context()), "it hung up")
	require.Equal(t, "to KAFKA", <-callers)
	require.NoError(t, producer.Close())
}

// newBroker takes one connection, tells whose it is, and hangs up.
func newBroker(t *testing.T, f certificates.Files) (address string, callers <-chan string) {
	t.Helper()
	settings, err := certificates.Server(f)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() }) // of a test that is over
	names := make(chan string, 1)
	go func() {
		defer close(names)
		plain, err := listener.Accept()
		if err != nil {
			return
		}
		conn := tls.Server(plain, settings)
		defer func() { _ = conn.Close() }() // hanging up is its answer
		if conn.HandshakeContext(t.Context()) == nil {
			names <- conn.ConnectionState().PeerCertificates[0].Subject.CommonName
		}
	}()
	return listener.Addr().String(), names
}

// Files that would protect nothing, or cannot be used, are said before anything runs.
func TestMistakesInTheWires(t *testing.T) {
	ours := certificatestest.New(t, "ours")
	certificate, key := ours.Issue("tolem", certificatestest.Of{Client: true})
	_, otherKey := ours.Issue("other", certificatestest.Of{Client: true})
	for want, wrong := range map[string]map[string]string{
		"PROCESSING_TLS_KEY: is needed with PROCESSING_TLS_CERT": {"PROCESSING_TLS_CERT": certificate, "PROCESSING_URL": "https://centre.example"},
		"CFRONT_TLS_CERT: is needed with CFRONT_TLS_KEY":         {"CFRONT_TLS_KEY": key},
		"PROCESSING_URL begins with http://":                     {"PROCESSING_TLS_CA": ours.File, "PROCESSING_URL": "http://centre.example"},
		"ABS_SCAN_URL begins with http://":                       {"ABS_TLS_CA": ours.File, "ABS_CLIENT_URL": "https://abs.example"},
		"KAFKA_TLS is not yes":                                   {"KAFKA_TLS_CA": ours.File},
	} {
		_, err := app.Read(env(wrong), client.Options{})
		require.ErrorIs(t, err, app.ErrConfig, want)
		require.ErrorContains(t, err, want)
	}
	c := config(t, map[string]string{
		"PROCESSING_URL": "https://centre.example", "PROCESSING_TLS_CERT": certificate, "PROCESSING_TLS_KEY": otherKey,
		"KAFKA_TLS": "yes", "KAFKA_TLS_CA": "/nowhere",
	})
	_, err := c.Centre()
	require.ErrorIs(t, err, app.ErrConfig)
	require.ErrorContains(t, err, "PROCESSING_TLS_KEY: "+certificate)
	_, err = c.Producer()
	require.ErrorContains(t, err, "KAFKA_TLS_KEY: authorities: open /nowhere")
}

// What leaves the machine readable is said, by its variable and host alone; what stays here
// is not.
func TestPlainTextIsSaid(t *testing.T) {
	logged := capture(t)
	c := config(t, nil)
	c.WarnOfPlainText(t.Context())
	require.Empty(t, logged.String(), "the simulators")

	c = config(t, map[string]string{"PROCESSING_URL": "http://centre.example/hunter2", "KAFKA_BROKERS": "[::1]:9092,kafka.example:9092"})
	c.CFRONT.URL, c.Temporal.HostPort = "https://bank.example", "temporal.example:7233"
	c.WarnOfPlainText(t.Context())
	for _, said := range []string{"variable=PROCESSING_URL host=centre.example\n", "host=kafka.example:9092", "host=temporal.example:7233"} {
		require.Contains(t, logged.String(), said)
	}
	require.Equal(t, 3, strings.Count(logged.String(), "level=WARN"))

	logged.Reset()
	c = config(t, map[string]string{"PROCESSING_URL": "https://centre.example", "KAFKA_BROKERS": "kafka.example:9092", "KAFKA_TLS": "yes"})
	c.Temporal.ConnectionOptions.TLS, c.Temporal.HostPort = &tls.Config{}, "temporal.example:7233"
	c.WarnOfPlainText(t.Context())
	require.Empty(t, logged.String())
}

// capture is what is logged until the test ends.
func capture(t *testing.T) *bytes.Buffer {
	t.Helper()
	var logged bytes.Buffer
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	slog.SetDefault(slog.New(slog.NewTextHandler(&logged, nil)))
	return &logged
}
