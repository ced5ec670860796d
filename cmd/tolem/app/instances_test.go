package app_test

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"tolem/cmd/tolem/app"
	"tolem/cmd/tolem/certificates"
	"tolem/storage"
)

// Processes of one ledger that would call different partners, or are of different schemas or
// time zones, say so while both run, in log and metric and without a password; when one has
// ended nothing differs any more.
func TestDifferentSettingsAreReported(t *testing.T) {
	address := "sqlite://" + filepath.Join(t.TempDir(), "ledger.db")
	temporal := temporalFrontend(t, certificates.Files{})
	starts := func(pairs map[string]string) *app.Running {
		all := map[string]string{"DATABASE_URL": address, "API_ADDR": "127.0.0.1:0", "API_TOKENS": "a:agent:hunter2",
			"PROCESSING_URL": "https://centre.example/", "PROCESSING_TOKEN": "t"}
		for name, value := range pairs {
			all[name] = value
		}
		c, err := app.Read(env(all), client.Options{HostPort: temporal})
		require.NoError(t, err)
		running, err := app.Start(t.Context(), c, app.Parts{API: true, Migrate: true})
		require.NoError(t, err)
		t.Cleanup(running.Stop)
		return running
	}
	metric := func(running *app.Running, line string) {
		t.Helper()
		require.Eventually(t, func() bool {
			response, err := http.Get(running.URL + "/metrics") //nolint:forbidigo // a test's probe
			require.NoError(t, err)
			defer func() { _ = response.Body.Close() }() // read
			raw, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			return strings.Contains(string(raw), "\ntolem_settings_differ{"+line+"\n")
		}, time.Minute, 20*time.Millisecond, line)
	}
	logged := capture(t)
	first := starts(nil)
	metric(first, `setting="PROCESSING_URL"} 0`)
	same := starts(map[string]string{"PROCESSING_URL": "https://centre.example"})
	metric(same, `setting="PROCESSING_URL"} 0`)
	same.Stop()

	second := starts(map[string]string{"PROCESSING_URL": "https://test.centre.example"})
	metric(second, `setting="PROCESSING_URL"} 1`)
	metric(second, `setting="CFRONT_URL"} 0`)
	first.LookAtInstances(t.Context())
	metric(first, `setting="PROCESSING_URL"} 1`)
	second.Stop()
	first.LookAtInstances(t.Context())
	metric(first, `setting="PROCESSING_URL"} 0`)

	ledger, err := storage.Open(t.Context(), address)
	require.NoError(t, err)
	defer func() { require.NoError(t, ledger.Close()) }()
	worker := storage.Instance{ID: "x", Part: "worker", Host: "h", StartedAt: storage.At(time.Now()),
		Settings: `{"TIMEZONE":"Asia/Dubai","schema":"7","LOXON_TOPIC":"l","ABS_CLIENT_URL":"https://abs.example"}`}
	_, err = ledger.SeeInstance(t.Context(), worker, time.Minute)
	require.NoError(t, err)
	first.LookAtInstances(t.Context())
	metric(first, `setting="TIMEZONE"} 1`)
	metric(first, `setting="schema"} 1`)
	metric(first, `setting="PROCESSING_URL"} 0`)
	for _, said := range []string{"setting=PROCESSING_URL ours=https://centre.example theirs=https://test.centre.example other=api", "setting=schema", "theirs=Asia/Dubai other=worker", "have one value of a setting now"} {
		require.Contains(t, logged.String(), said)
	}
	require.NotContains(t, logged.String(), "hunter")
}
