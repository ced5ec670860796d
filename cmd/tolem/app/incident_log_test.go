package app_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tolem/cmd/tolem/app"
	"tolem/domain"
	"tolem/storage"
)

// An incident is one line of the log when it is opened: process, reason and id, without the
// evidence; a further fact is none.
func TestAnOpenedIncidentIsLogged(t *testing.T) {
	logged := capture(t)
	ledger, err := app.OpenLedger(t.Context(), app.Config{DatabaseURL: "sqlite://" + filepath.Join(t.TempDir(), "ledger.db")})
	require.NoError(t, err)
	defer func() { require.NoError(t, ledger.Close()) }()
	for _, fact := range []string{"hunter2", "hunter3"} {
		require.NoError(t, ledger.Raise(t.Context(), storage.OpenIncident{Process: domain.ProcessReturn, Subject: "A 1", Part: "7", Reason: domain.ReasonRejected}, fact))
	}
	require.Equal(t, 1, strings.Count(logged.String(), "level=ERROR"))
	require.Contains(t, logged.String(), "process=\"return/A 1/7\" reason=rejected_http incident=1\n")
	require.NotContains(t, logged.String(), "hunter")
}
