package app_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"tolem/cmd/tolem/app"
)

// A Temporal on another machine is met over TLS, or with somebody's word that it need not be.
func TestTemporalElsewhereNeedsTLS(t *testing.T) {
	for address, here := range map[string]bool{
		"":                               true,
		"127.0.0.1:7233":                 true,
		"127.0.0.1":                      true,
		"127.8.0.1:7233":                 true,
		"localhost:7233":                 true,
		"[::1]:7233":                     true,
		"dns:///localhost:7233":          true,
		"dns:localhost:7233":             true,
		"passthrough:///127.0.0.1:7233":  true,
		"unix:/run/temporal.sock":        true,
		"unix:///run/temporal.sock":      true,
		"unix-abstract:temporal":         true,
		"temporal.example:7233":          false,
		"temporal:7233":                  false,
		"10.0.0.5:7233":                  false,
		"0.0.0.0:7233":                   false,
		"[2001:db8::1]:7233":             false,
		"localhost.example:7233":         false,
		"dns:///temporal.example:7233":   false,
		"dns://10.0.0.5/localhost:7233":  false, // another machine says where localhost is
		"xds:///localhost:7233":          false,
		"passthrough:///10.0.0.5:7233":   false,
		"unixlike.example:7233":          false,
		"temporal.example:7233/unix:///": false,
	} {
		options := client.Options{HostPort: address}
		_, err := app.Read(env(nil), options)
		require.Equal(t, here, err == nil, "%q: %v", address, err)
		if !here {
			require.ErrorIs(t, err, app.ErrConfig)
			require.ErrorContains(t, err, "TEMPORAL_ADDRESS: "+address+" is on another machine")
			require.ErrorContains(t, err, "TEMPORAL_TLS_SERVER_CA_CERT_PATH")
			require.ErrorContains(t, err, "ALLOW_PLAINTEXT=temporal")
		}
		_, err = app.Read(env(map[string]string{"ALLOW_PLAINTEXT": "temporal"}), options)
		require.NoError(t, err, address)
		options.ConnectionOptions.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		_, err = app.Read(env(nil), options)
		require.NoError(t, err, address)
	}
}

// A key does not go over a wire without TLS because somebody switched TLS off.
func TestTemporalsOwnVariablesMeetTheRule(t *testing.T) {
	t.Setenv("TEMPORAL_ADDRESS", "temporal.example:7233")
	t.Setenv("TEMPORAL_API_KEY", "hunter2")
	options, err := app.TemporalFromEnv()
	require.NoError(t, err)
	_, err = app.Read(env(nil), options)
	require.NoError(t, err, "a key brings TLS with it")

	t.Setenv("TEMPORAL_TLS", "false")
	options, err = app.TemporalFromEnv()
	require.NoError(t, err)
	_, err = app.Read(env(nil), options)
	require.ErrorContains(t, err, "ALLOW_PLAINTEXT=temporal")
	require.NotContains(t, err.Error(), "hunter2")
}

func TestNamesOfAllowPlaintext(t *testing.T) {
	for list, right := range map[string]bool{
		"": true, " ": true, "temporal": true, " temporal ": true, "temporal,temporal": true,
		"yes": false, "Temporal": false, "temporal,ledger": false, "temporal,": false, "*": false,
	} {
		_, err := app.Read(env(map[string]string{"ALLOW_PLAINTEXT": list}), client.Options{})
		require.Equal(t, right, err == nil, "%q: %v", list, err)
		if !right {
			require.ErrorContains(t, err, "ALLOW_PLAINTEXT: ")
			require.ErrorContains(t, err, "known are temporal")
		}
	}
}

// The API answers to its own names, and to the one that the bank calls back.
func TestNamesOfTheAPI(t *testing.T) {
	loopback, everywhere := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, &net.TCPAddr{IP: net.IPv4zero}
	callback := map[string]string{"CFRONT_CALLBACK_URL": "https://store.example/tolem"}
	named := map[string]string{"API_HOSTS": "tolem.bank", "CFRONT_CALLBACK_URL": "https://store.example/tolem"}
	for _, c := range []struct {
		env     map[string]string
		listens net.Addr
		host    string
		want    bool
	}{
		{nil, loopback, "localhost:8080", true},
		{nil, loopback, "rebound.example", false},
		{callback, loopback, "store.example", true},
		{callback, loopback, "rebound.example", false},
		{callback, everywhere, "rebound.example", true},
		{named, everywhere, "tolem.bank", true},
		{named, everywhere, "store.example", true},
		{named, everywhere, "rebound.example", false},
	} {
		config, err := app.Read(env(c.env), client.Options{})
		require.NoError(t, err)
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		request.Host = c.host
		require.Equal(t, c.want, config.Hosts(c.listens).Answers(request), "%v %v %s", c.env, c.listens, c.host)
	}
	_, err := app.Read(env(map[string]string{"API_HOSTS": "https://tolem.bank"}), client.Options{})
	require.ErrorIs(t, err, app.ErrConfig)
	require.ErrorContains(t, err, "API_HOSTS: ")
}
