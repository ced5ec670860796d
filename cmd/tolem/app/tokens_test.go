package app_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"tolem/cmd/tolem/app"
)

// Callers are added and removed in the token file without a restart. A file that cannot be
// used changes nothing, and log and metric say so, without a secret.
func TestTokenFileIsFollowed(t *testing.T) {
	logged := capture(t)
	path := filepath.Join(t.TempDir(), "tokens")
	write := func(text string) { // as orchestrators do: a new file in place of the old one
		require.NoError(t, os.WriteFile(path+".new", []byte(text), 0o600))
		require.NoError(t, os.Rename(path+".new", path))
	}
	write("till:agent:first-secret\n")
	running, err := startAPI(t, map[string]string{"API_TOKENS": "", "API_TOKENS_FILE": path})
	require.NoError(t, err)
	get := func(route, secret string) (status int, text string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, running.URL+route, http.NoBody)
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer "+secret)
		response, err := http.DefaultTransport.RoundTrip(request)
		require.NoError(t, err)
		defer func() { _ = response.Body.Close() }() // read
		raw, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, string(raw)
	}
	let := func(secret string, want int) {
		t.Helper()
		status, _ := get("/v1/payments", secret)
		require.Equal(t, want, status, secret)
	}
	unusable := func(want string) {
		t.Helper()
		_, metrics := get("/metrics", "")
		require.Contains(t, metrics, "\ntolem_api_tokens_unusable "+want+"\n")
	}
	let("first-secret", http.StatusOK)
	let("second-secret", http.StatusUnauthorized)
	unusable("0")

	write("till:agent:first-secret,shop:agent:second-secret\n")
	let("second-secret", http.StatusOK)
	let("first-secret", http.StatusOK)
	write("shop:agent:second-secret\n")
	let("first-secret", http.StatusUnauthorized)
	unusable("0")

	for _, bad := range []string{"", "\n", "shop:agent", "shop:nobody:third-secret", "shop:agent:third-secret\n\n", "\uFEFFshop:agent:third-secret", "shop:agent:third-secret,shop:agent:"} {
		write(bad)
		let("second-secret", http.StatusOK)
		let("third-secret", http.StatusUnauthorized)
		unusable("1")
	}
	require.NoError(t, os.Remove(path))
	let("second-secret", http.StatusOK)
	unusable("1")
	write("shop:agent:third-secret")
	let("third-secret", http.StatusOK)
	let("second-secret", http.StatusUnauthorized)
	unusable("0")
	require.Contains(t, logged.String(), "API_TOKENS_FILE: ends with")
	require.Contains(t, logged.String(), "API tokens reloaded")
	require.NotContains(t, logged.String(), "-secret")
}

// What was copied along with a secret refuses to start and names the variable: with it every
// call would be 401.
func TestSecretsEndsAreClean(t *testing.T) {
	folder := t.TempDir()
	bad := map[string]string{
		"newline": "hunter2\n\n", "space": "hunter2 ", "before": " hunter2", "tab": "\thunter2", "byte order mark": "\uFEFFhunter2", "no-break space": "hunter2\u00A0",
		"full width": "hunter2２", "zero width": "hunter2\u200B", "UTF-16": "\xFF\xFEh\x00", "carriage return": "hunter2\r\r\n", "NUL": "hunter2\x00",
	}
	names := []string{"CFRONT_STORE_ID", "KAFKA_USER"}
	for _, v := range app.Variables() {
		if v.Secret && v.Name != "TEMPORAL_API_KEY" {
			names = append(names, v.Name, v.Name+"_FILE")
		}
	}
	require.Contains(t, names, "PROCESSING_TOKEN_FILE")
	for _, name := range names {
		for what, value := range bad {
			given := value
			if strings.HasSuffix(name, "_FILE") {
				given = filepath.Join(folder, "secret")
				require.NoError(t, os.WriteFile(given, []byte(value), 0o600))
			}
			_, err := app.Read(env(map[string]string{name: given}), client.Options{})
			require.ErrorIs(t, err, app.ErrConfig, "%s: %s", name, what)
			require.Regexp(t, "(^|\n|: )"+name+": (begins|ends) with white space", err.Error(), what)
			require.NotContains(t, err.Error(), "hunter2")
		}
	}
	t.Setenv("TEMPORAL_API_KEY", "hunter2\n")
	_, err := app.TemporalFromEnv()
	require.ErrorContains(t, err, "TEMPORAL_API_KEY: ends with white space")
}

// A token that no request can carry is reported under its own name.
func TestProcessingTokenIsNamed(t *testing.T) {
	_, err := config(t, map[string]string{"PROCESSING_TOKEN": "in\nside", "PROCESSING_URL": "https://centre.example"}).Centre()
	require.ErrorIs(t, err, app.ErrConfig)
	require.ErrorContains(t, err, "PROCESSING_TOKEN: ")
	require.NotContains(t, err.Error(), "PROCESSING_URL")
}
