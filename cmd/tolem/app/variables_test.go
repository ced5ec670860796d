package app_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"tolem/cmd/tolem/app"
)

func TestSecretsMayBeInFiles(t *testing.T) {
	folder := t.TempDir()
	file := func(content string) string {
		path := filepath.Join(folder, "secret")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	for _, v := range app.Variables() {
		if !v.Secret || strings.HasPrefix(v.Name, "TEMPORAL_") {
			continue
		}
		pairs := map[string]string{v.Name + "_FILE": file("hunter2\n"), "PROCESSING_URL": "https://centre.example"}
		c, err := app.Read(env(pairs), client.Options{})
		require.NoError(t, err, v.Name)
		require.Contains(t, []string{c.DatabaseURL, c.Tokens, c.ProcessingToken, c.CFRONT.Secret, c.Collection.Loxon.SASL.Password}, "hunter2", v.Name)

		for want, wrong := range map[string]map[string]string{
			"keep one":     {v.Name: "hunter2", v.Name + "_FILE": file("hunter2")},
			"empty file":   {v.Name + "_FILE": file("\n")},
			"no such file": {v.Name + "_FILE": filepath.Join(folder, "missing")},
		} {
			_, err := app.Read(env(wrong), client.Options{})
			require.ErrorIs(t, err, app.ErrConfig)
			require.ErrorContains(t, err, v.Name+"_FILE: ")
			require.ErrorContains(t, err, want)
			require.NotContains(t, err.Error(), "hunter2")
		}
	}
}

func TestTemporalsKeyMayBeInAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(path, []byte("hunter2\n"), 0o600))
	t.Setenv("TEMPORAL_API_KEY_FILE", path)
	o, err := app.TemporalFromEnv()
	require.NoError(t, err)
	require.NotNil(t, o.Credentials)
	t.Setenv("TEMPORAL_API_KEY", "hunter2")
	_, err = app.TemporalFromEnv()
	require.ErrorIs(t, err, app.ErrConfig)
}

func TestHealthcheck(t *testing.T) {
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "/readyz", r.URL.Path)
		w.WriteHeader(status)
		_, _ = w.Write([]byte("ledger: ok\ncluster: failed\n"))
	}))
	defer server.Close()
	addr := server.Listener.Addr().String()
	_, port, _ := strings.Cut(addr, ":")
	for _, pairs := range []map[string]string{{"API_ADDR": addr}, {"API_ADDR": "0.0.0.0:" + port}, {"API_ADDR": "127.0.0.1:1", "METRICS_ADDR": ":" + port}} {
		require.NoError(t, app.Healthcheck(t.Context(), env(pairs)))
	}
	status = http.StatusServiceUnavailable
	require.ErrorContains(t, app.Healthcheck(t.Context(), env(map[string]string{"API_ADDR": addr})), "not ready: ledger: ok; cluster: failed")
	require.ErrorContains(t, app.Healthcheck(t.Context(), env(map[string]string{"API_ADDR": "127.0.0.1:1"})), "nobody answers")
	require.ErrorIs(t, app.Healthcheck(t.Context(), env(map[string]string{"API_ADDR": "nowhere"})), app.ErrConfig)
}
