package app_test

import (
	"crypto/tls"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"tolem/cmd/tolem/app"
	"tolem/cmd/tolem/certificates"
	"tolem/cmd/tolem/certificates/certificatestest"
)

// startAPI runs the API alone, with a ledger of its own, on a free port.
func startAPI(t *testing.T, pairs map[string]string) (*app.Running, error) {
	t.Helper()
	all := map[string]string{"DATABASE_URL": "sqlite://" + t.TempDir() + "/ledger.db", "API_ADDR": "127.0.0.1:0", "API_TOKENS": "a:agent:hunter2"}
	for name, value := range pairs {
		all[name] = value
	}
	c, err := app.Read(env(all), client.Options{HostPort: temporalFrontend(t, certificates.Files{})})
	require.NoError(t, err)
	running, err := app.Start(t.Context(), c, app.Parts{API: true, Migrate: true})
	if err == nil {
		t.Cleanup(running.Stop)
	}
	return running, err
}

// alive asks the API on a connection of its own; the name is the one on its certificate.
func alive(t *testing.T, url string, f certificates.Files) (name string, err error) {
	t.Helper()
	settings, err := certificates.Client(f)
	require.NoError(t, err)
	transport := &http.Transport{TLSClientConfig: settings}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Get(url + "/livez")
	if err != nil {
		return "", err
	}
	_ = response.Body.Close() // its status says all
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.GreaterOrEqual(t, response.TLS.Version, uint16(tls.VersionTLS12))
	return response.TLS.PeerCertificates[0].Subject.CommonName, nil
}

// The API answers clients of the authority and nobody else, and shows a renewed
// certificate without a restart.
func TestAPIOverTLS(t *testing.T) {
	ours, foreign := certificatestest.New(t, "ours"), certificatestest.New(t, "foreign")
	certificate, key := ours.Issue("api", certificatestest.Of{})
	running, err := startAPI(t, map[string]string{"API_TLS_CERT": certificate, "API_TLS_KEY": key, "API_TLS_CLIENT_CA": ours.File})
	require.NoError(t, err)
	require.Equal(t, "https://"+running.Addr, running.URL)

	shown, shownKey := ours.Issue("client", certificatestest.Of{Client: true})
	good := certificates.Files{Authorities: ours.File, Certificate: shown, Key: shownKey}
	name, err := alive(t, running.URL, good)
	require.NoError(t, err)
	require.Equal(t, "api", name)

	_, err = alive(t, running.URL, certificates.Files{Authorities: ours.File})
	require.Error(t, err, "no certificate")
	strange, strangeKey := foreign.Issue("client", certificatestest.Of{Client: true})
	_, err = alive(t, running.URL, certificates.Files{Authorities: ours.File, Certificate: strange, Key: strangeKey})
	require.Error(t, err, "a foreign certificate")
	response, err := http.Get("http://" + running.Addr + "/livez") //nolint:forbidigo // once, and to be refused
	require.NoError(t, err)
	_ = response.Body.Close() // its status says all
	require.Equal(t, http.StatusBadRequest, response.StatusCode, "plain text")

	renewed, renewedKey := ours.Issue("renewed", certificatestest.Of{})
	require.NoError(t, os.Rename(renewedKey, key))
	require.NoError(t, os.Rename(renewed, certificate))
	name, err = alive(t, running.URL, good)
	require.NoError(t, err)
	require.Equal(t, "renewed", name)
}

// An API that could not answer as it was told does not start, and says why.
func TestAPIDoesNotStartWithoutItsCertificate(t *testing.T) {
	ours := certificatestest.New(t, "ours")
	certificate, key := ours.Issue("api", certificatestest.Of{})
	_, otherKey := ours.Issue("other", certificatestest.Of{})
	over, overKey := ours.Issue("over", certificatestest.Of{NotAfter: time.Now().Add(-time.Minute)})
	for want, pairs := range map[string]map[string]string{
		"open /nowhere":    {"API_TLS_CERT": certificate, "API_TLS_KEY": "/nowhere"},
		"does not match":   {"API_TLS_CERT": certificate, "API_TLS_KEY": otherKey},
		"was valid until":  {"API_TLS_CERT": over, "API_TLS_KEY": overKey},
		"is not a certifi": {"API_TLS_CERT": certificate, "API_TLS_KEY": key, "API_TLS_CLIENT_CA": key},
	} {
		_, err := startAPI(t, pairs)
		require.ErrorIs(t, err, app.ErrConfig, want)
		require.ErrorContains(t, err, "API_TLS_CERT")
		require.ErrorContains(t, err, want)
	}
	for want, pairs := range map[string]map[string]string{
		"API_TLS_KEY: is needed":   {"API_TLS_CERT": certificate},
		"API_TLS_CERT: is needed":  {"API_TLS_KEY": key},
		"API_TLS_CLIENT_CA: needs": {"API_TLS_CLIENT_CA": ours.File},
	} {
		_, err := app.Read(env(pairs), client.Options{})
		require.ErrorIs(t, err, app.ErrConfig)
		require.ErrorContains(t, err, want)
	}
}

// The simulated bank cannot call back through TLS, and a worker needs no files of the API.
func TestWhatTLSOfTheAPIChanges(t *testing.T) {
	require.Equal(t, "http://127.0.0.1:8080", config(t, nil).CFRONT.CallbackURL)
	require.Empty(t, config(t, map[string]string{"API_TLS_CERT": "/nowhere", "API_TLS_KEY": "/nowhere"}).CFRONT.CallbackURL)
}

// A token that crosses the network readable is warned of; on this machine it does not
// cross it.
func TestPlainAPIForOthersIsWarnedOf(t *testing.T) {
	ours := certificatestest.New(t, "ours")
	certificate, key := ours.Issue("api", certificatestest.Of{})
	const warning = "the API listens for other machines without TLS"
	for name, c := range map[string]struct {
		pairs  map[string]string
		warned bool
	}{
		"loopback":       {nil, false},
		"everybody":      {map[string]string{"API_ADDR": ":0"}, true},
		"everybody, TLS": {map[string]string{"API_ADDR": ":0", "API_TLS_CERT": certificate, "API_TLS_KEY": key}, false},
	} {
		logged := capture(t)
		running, err := startAPI(t, c.pairs)
		require.NoError(t, err)
		running.Stop()
		if c.warned {
			require.Contains(t, logged.String(), warning, name)
		} else {
			require.NotContains(t, logged.String(), warning, name)
		}
		require.NotContains(t, logged.String(), "hunter2")
	}
}
