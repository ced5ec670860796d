package certificates_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/cmd/tolem/certificates"
	"tolem/cmd/tolem/certificates/certificatestest"
)

// serve answers over the settings and returns where.
func serve(t *testing.T, f certificates.Files) (url string) {
	t.Helper()
	settings, err := certificates.Server(f)
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto) // the client's reading is what is checked
	}))
	server.Listener = tls.NewListener(server.Listener, settings)
	server.Start()
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "http:", "https:", 1)
}

// ask makes one call on a connection of its own and returns the name on the server's
// certificate.
func ask(t *testing.T, url string, settings *tls.Config) (name string, err error) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: settings}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	response, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }() // read to its end
	_, err = io.Copy(io.Discard, response.Body)
	require.Equal(t, http.StatusOK, response.StatusCode)
	return response.TLS.PeerCertificates[0].Subject.CommonName, err
}

func client(t *testing.T, f certificates.Files) *tls.Config {
	t.Helper()
	settings, err := certificates.Client(f)
	require.NoError(t, err)
	return settings
}

// Where an authority is named, its clients are served and nobody else is.
func TestServerAsksForClientsOfItsAuthority(t *testing.T) {
	ours, foreign := certificatestest.New(t, "ours"), certificatestest.New(t, "foreign")
	certificate, key := ours.Issue("api", certificatestest.Of{})
	url := serve(t, certificates.Files{Authorities: ours.File, Certificate: certificate, Key: key})

	shown := func(name string, a *certificatestest.Authority, o certificatestest.Of) certificates.Files {
		certificate, key := a.Issue(name, o)
		return certificates.Files{Authorities: ours.File, Certificate: certificate, Key: key}
	}
	good := client(t, shown("client", ours, certificatestest.Of{Client: true}))
	_, err := ask(t, url, good)
	require.NoError(t, err)

	for name, settings := range map[string]*tls.Config{
		"none":          client(t, certificates.Files{Authorities: ours.File}),
		"foreign":       client(t, shown("client", foreign, certificatestest.Of{Client: true})),
		"of a server":   client(t, shown("server", ours, certificatestest.Of{})),
		"TLS 1.1 alone": {RootCAs: pool(t, ours.File), MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
	} {
		_, err := ask(t, url, settings)
		require.Error(t, err, name)
	}
	_, err = ask(t, url, good)
	require.NoError(t, err, "and the refusals spoilt nothing")
}

func pool(t *testing.T, path string) *x509.CertPool {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	p := x509.NewCertPool()
	require.True(t, p.AppendCertsFromPEM(raw))
	return p
}

// A renewed certificate is used from the next handshake on; a broken one is not, and
// what was good before stays.
func TestServerFollowsItsFiles(t *testing.T) {
	ours := certificatestest.New(t, "ours")
	certificate, key := ours.Issue("first", certificatestest.Of{})
	url := serve(t, certificates.Files{Certificate: certificate, Key: key})
	trusting := client(t, certificates.Files{Authorities: ours.File})
	served := func() string {
		name, err := ask(t, url, trusting)
		require.NoError(t, err)
		return name
	}
	become := func(path, from string) {
		require.NoError(t, os.Rename(from, path))
	}
	require.Equal(t, "first", served())

	secondCertificate, secondKey := ours.Issue("second", certificatestest.Of{})
	become(certificate, secondCertificate)
	require.Equal(t, "first", served(), "while only one of the two files is replaced")
	become(key, secondKey)
	require.Equal(t, "second", served())

	overCertificate, overKey := ours.Issue("over", certificatestest.Of{NotAfter: time.Now().Add(-time.Minute)})
	become(certificate, overCertificate)
	become(key, overKey)
	require.Equal(t, "second", served(), "rather than one that is over")
	require.NoError(t, os.Remove(certificate))
	require.Equal(t, "second", served(), "rather than none")

	thirdCertificate, thirdKey := ours.Issue("third", certificatestest.Of{})
	become(certificate, thirdCertificate)
	become(key, thirdKey)
	require.Equal(t, "third", served())
}

// An authority that was taken away lets nobody in any more, not even who was in before.
func TestServerFollowsItsAuthorities(t *testing.T) {
	ours, next := certificatestest.New(t, "ours"), certificatestest.New(t, "next")
	certificate, key := ours.Issue("api", certificatestest.Of{})
	url := serve(t, certificates.Files{Authorities: ours.File, Certificate: certificate, Key: key})
	trust := filepath.Join(t.TempDir(), "trust.pem")
	raw, err := os.ReadFile(ours.File)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(trust, raw, 0o600))

	shown, shownKey := ours.Issue("client", certificatestest.Of{Client: true})
	settings := client(t, certificates.Files{Authorities: trust, Certificate: shown, Key: shownKey})
	settings.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	_, err = ask(t, url, settings)
	require.NoError(t, err)
	require.NoError(t, os.Rename(next.File, ours.File))
	_, err = ask(t, url, settings)
	require.Error(t, err)
}

// A client calls who it means, and shows who it is, renewed or not.
func TestClient(t *testing.T) {
	ours, foreign := certificatestest.New(t, "ours"), certificatestest.New(t, "foreign")
	at := func(a *certificatestest.Authority, o certificatestest.Of) string {
		certificate, key := a.Issue("server", o)
		return serve(t, certificates.Files{Certificate: certificate, Key: key})
	}
	trusting := client(t, certificates.Files{Authorities: ours.File})
	_, err := ask(t, at(ours, certificatestest.Of{}), trusting)
	require.NoError(t, err)

	var wrongHost x509.HostnameError
	_, err = ask(t, at(ours, certificatestest.Of{Host: "other.example"}), trusting)
	require.ErrorAs(t, err, &wrongHost)
	var unknown x509.UnknownAuthorityError
	_, err = ask(t, at(foreign, certificatestest.Of{}), trusting)
	require.ErrorAs(t, err, &unknown)
	_, err = ask(t, at(ours, certificatestest.Of{}), client(t, certificates.Files{}))
	require.ErrorAs(t, err, &unknown, "the system knows no private authority")
	_, err = ask(t, at(ours, certificatestest.Of{Client: true}), trusting)
	require.Error(t, err, "a client's certificate is no server's")

	certificate, key := ours.Issue("client", certificatestest.Of{Client: true, NotAfter: time.Now().Add(time.Hour)})
	settings := client(t, certificates.Files{Certificate: certificate, Key: key})
	require.Nil(t, settings.RootCAs, "the system's")
	number := func() string {
		pair, err := settings.GetClientCertificate(&tls.CertificateRequestInfo{})
		require.NoError(t, err)
		return pair.Leaf.SerialNumber.String()
	}
	before := number()
	ours.Issue("client", certificatestest.Of{Client: true})
	require.NotEqual(t, before, number())
}

// What cannot work is said before anything runs, with the file's name and without a key.
func TestFilesThatCannotWork(t *testing.T) {
	ours := certificatestest.New(t, "ours")
	certificate, key := ours.Issue("api", certificatestest.Of{})
	_, otherKey := ours.Issue("other", certificatestest.Of{})
	over, overKey := ours.Issue("over", certificatestest.Of{NotAfter: time.Now().Add(-time.Minute)})
	early, earlyKey := ours.Issue("early", certificatestest.Of{NotBefore: time.Now().Add(time.Hour)})
	for want, f := range map[string]certificates.Files{
		"needed together":                          {Certificate: certificate},
		"certificate and its key":                  {Key: key},
		"certificate: open /nowhere":               {Certificate: "/nowhere", Key: key},
		"key: open /nowhere":                       {Certificate: certificate, Key: "/nowhere"},
		"does not match":                           {Certificate: certificate, Key: otherKey},
		over + " was valid until":                  {Certificate: over, Key: overKey},
		early + " is valid from":                   {Certificate: early, Key: earlyKey},
		"authorities: open /nowhere":               {Authorities: "/nowhere", Certificate: certificate, Key: key},
		"block 1 of " + key + " is not":            {Authorities: key, Certificate: certificate, Key: key},
		"certificates_test.go holds no":            {Authorities: "certificates_test.go", Certificate: certificate, Key: key},
		"certificates_test.go with the key " + key: {Certificate: "certificates_test.go", Key: key},
	} {
		_, err := certificates.Server(f)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "PRIVATE")
		_, err = certificates.Client(f)
		require.ErrorContains(t, err, want)
	}
	none, err := certificates.Client(certificates.Files{})
	require.NoError(t, err)
	require.Nil(t, none)
	_, err = certificates.Server(certificates.Files{})
	require.Error(t, err)
}
