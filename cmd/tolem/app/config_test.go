package app_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"tolem/cmd/tolem/app"
)

func env(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func TestDefaultsAreThoseOfTheReadme(t *testing.T) {
	c, err := app.Read(env(nil), client.Options{})
	require.NoError(t, err)
	require.Equal(t, "sqlite://tolem.db", c.DatabaseURL)
	require.Equal(t, "127.0.0.1:8080", c.APIAddr)
	require.Equal(t, "tolem", c.Deployment.Name)
	require.False(t, c.Deployment.Versioned())
	require.Equal(t, "http://127.0.0.1:8091/processing", c.ProcessingURL)
	require.Equal(t, "simulator", c.ProcessingToken)
	require.Equal(t, time.Second, c.Ladder.Initial)
	require.EqualValues(t, 2000, c.Ladder.FactorMilli)
	require.Equal(t, 30*time.Second, c.PartnerTimeout)
	require.Equal(t, "Asia/Almaty", c.Location.String())
}

// The simulators' token goes to the simulators only.
func TestAnotherCentreGetsNoDefaultToken(t *testing.T) {
	c, err := app.Read(env(map[string]string{"PROCESSING_URL": "https://centre.example"}), client.Options{})
	require.NoError(t, err)
	require.Empty(t, c.ProcessingToken)
}

func TestEveryMistakeIsNamedAtOnce(t *testing.T) {
	_, err := app.Read(env(map[string]string{
		"RETRY_INITIAL": "soon", "PARTNER_TIMEOUT": "1ms", "TIMEZONE": "Mars/Base", "API_TOKENS": "a:agent:hunter2",
		"TEMPORAL_DEPLOYMENT_NAME": "a.b", "TEMPORAL_WORKER_BUILD_ID": "1 2",
	}), client.Options{})
	require.ErrorIs(t, err, app.ErrConfig)
	for _, name := range []string{"RETRY_INITIAL", "PARTNER_TIMEOUT", "TIMEZONE", "TEMPORAL_DEPLOYMENT_NAME", "TEMPORAL_WORKER_BUILD_ID"} {
		require.ErrorContains(t, err, name)
	}
	require.NotContains(t, err.Error(), "hunter2")
}

// Intervals that do not grow refuse to start.
func TestRetryFactorMustGrow(t *testing.T) {
	for _, factor := range []string{"1", "0.5", "0", "-2", "1.0004", "NaN", "1e9", "two"} {
		_, err := app.Read(env(map[string]string{"RETRY_FACTOR": factor}), client.Options{})
		require.ErrorIs(t, err, app.ErrConfig, factor)
		require.ErrorContains(t, err, "RETRY_FACTOR", factor)
	}
	for _, initial := range []string{"0s", "-1s", "2h"} {
		_, err := app.Read(env(map[string]string{"RETRY_INITIAL": initial}), client.Options{})
		require.ErrorIs(t, err, app.ErrConfig, initial)
	}
}

// What is wrong with the surroundings is said before anything runs.
func TestStartSaysWhatIsWrong(t *testing.T) {
	ledger := "sqlite://" + t.TempDir() + "/ledger.db"
	for name, c := range map[string]struct {
		env   map[string]string
		parts app.Parts
		want  string
	}{
		"no tokens":       {map[string]string{"DATABASE_URL": ledger, "API_ADDR": "127.0.0.1:0"}, app.Parts{API: true, Migrate: true}, "API_TOKENS is empty"},
		"bad tokens":      {map[string]string{"DATABASE_URL": ledger, "API_ADDR": "127.0.0.1:0", "API_TOKENS": "a:boss:hunter2"}, app.Parts{API: true, Migrate: true}, "API_TOKENS"},
		"no schema":       {map[string]string{"DATABASE_URL": ledger + "2"}, app.Parts{API: true}, "tolem migrate"},
		"no such ledger":  {map[string]string{"DATABASE_URL": "mysql://x"}, app.Parts{API: true}, "DATABASE_URL"},
		"no such partner": {map[string]string{"DATABASE_URL": ledger, "PROCESSING_URL": "ftp://x"}, app.Parts{API: true, Migrate: true}, "PROCESSING_URL"},
	} {
		t.Run(name, func(t *testing.T) {
			config, err := app.Read(env(c.env), client.Options{HostPort: "127.0.0.1:1"})
			require.NoError(t, err)
			_, err = app.Start(t.Context(), config, c.parts)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

// A bank of one's own needs what was agreed on with it, and gets no default secret.
func TestSettingsOfTheBank(t *testing.T) {
	c, err := app.Read(env(nil), client.Options{})
	require.NoError(t, err)
	require.Equal(t, "http://127.0.0.1:8091/cfront", c.CFRONT.URL)
	require.Equal(t, "http://127.0.0.1:8080", c.CFRONT.CallbackURL)
	require.NotEmpty(t, c.CFRONT.Agreement.CreditProducts)
	require.Equal(t, []time.Duration{2 * time.Second, time.Minute, time.Hour, 15 * time.Minute, 72 * time.Hour}, []time.Duration{
		c.CFRONT.Terms.Poll.First, c.CFRONT.Terms.Poll.Most, c.CFRONT.Terms.PayoutPoll.Most, c.CFRONT.Terms.RaiseAfter, c.CFRONT.Terms.PayoutRaiseAfter})

	folder := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	good := file("good.json", `{"credit_products":[{"name":"a","parts":3}]}`)
	c, err = app.Read(env(map[string]string{"CFRONT_URL": "https://bank.example", "CFRONT_AGREEMENT": good}), client.Options{})
	require.NoError(t, err)
	require.Empty(t, c.CFRONT.Secret)
	require.Empty(t, c.CFRONT.CallbackURL, "polling alone")

	for name, wrong := range map[string]map[string]string{
		"CFRONT_AGREEMENT":    {"CFRONT_URL": "https://bank.example"},
		"credit_products":     {"CFRONT_AGREEMENT": file("empty.json", `{}`)},
		"no such file":        {"CFRONT_AGREEMENT": filepath.Join(folder, "missing.json")},
		"CFRONT_CALLBACK_URL": {"CFRONT_CALLBACK_URL": "store.example"},
		"CFRONT_POLL_FIRST":   {"CFRONT_POLL_FIRST": "0s"},
	} {
		_, err := app.Read(env(wrong), client.Options{})
		require.ErrorIs(t, err, app.ErrConfig, name)
		require.ErrorContains(t, err, name)
	}
}
