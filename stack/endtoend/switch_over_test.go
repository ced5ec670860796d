package endtoend

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	centre "tolem/simulators/processing"
	"tolem/storage/privatepostgres"
)

// replicated starts a PostgreSQL server that can be backed up and followed.
func replicated(t *testing.T) *privatepostgres.Server {
	t.Helper()
	server, err := privatepostgres.Start(t.Context(), privatepostgres.Options{Replicated: true})
	require.NoError(t, err)
	t.Cleanup(server.Stop)
	return server
}

// followed is a ledger's server with a standby, and the address of both.
func followed(t *testing.T) (primary, standby *privatepostgres.Server, url string) {
	t.Helper()
	primary = replicated(t)
	_, err := primary.CreateDatabase(t.Context(), "ledger")
	require.NoError(t, err)
	standby, err = primary.StartStandby(t.Context())
	require.NoError(t, err)
	t.Cleanup(standby.Stop)
	return primary, standby, privatepostgres.EitherURL("ledger", primary, standby)
}

// ledgerState is the mark and the gate of the ledger on a server.
func ledgerState(t *testing.T, server *privatepostgres.Server) (mark int64, gate string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server.DatabaseURL("ledger"))
	require.NoError(t, err)
	defer func() { _ = conn.Close(t.Context()) }() // the query has its own result
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT mark, gate FROM ledger_state").Scan(&mark, &gate))
	return mark, gate
}

// paysAndWaits creates payments that the centre keeps in progress.
func (i *infra) paysAndWaits(n int) (ids []string) {
	i.t.Helper()
	script(i.t, i.centre, "pay", centre.Answer{Code: 1, Times: 1_000_000})
	user := i.caller()
	for n := range n {
		ids = append(ids, user.pays(fmt.Sprint("waits-", n)).ID)
		user.answeredBy(ids[n], 1)
	}
	return ids
}

// isClosed waits until the API says that the ledger lost commits.
func (c *caller) isClosed() {
	c.t.Helper()
	eventually(c.t, "the API says that the ledger was restored", func() bool {
		status, answer := c.do(http.MethodGet, "/v1/payments", "", nil, nil)
		var problem struct{ Code string }
		return status == http.StatusServiceUnavailable && json.Unmarshal([]byte(answer), &problem) == nil && problem.Code == "ledger_restored"
	})
}

// A synchronous standby that takes over has every commit. No gate closes, nobody has to do
// anything, and each payment ends once.
func TestLosslessSwitchOver(t *testing.T) {
	t.Parallel()
	primary, standby, url := followed(t)
	require.NoError(t, primary.CommitsWaitFor(t.Context(), standby))
	i := startInfraWith(t, map[string]string{"DATABASE_URL": url})
	i.worker()
	ids, user := i.paysAndWaits(5), i.caller()

	primary.Crash()
	require.NoError(t, standby.Promote(t.Context()))
	eventually(t, "the API is ready", func() bool { return answers(i.url() + "/readyz") })
	require.NoError(t, i.centre.ClearScripts())
	ids = append(ids, user.says("/v1/payments", "after", plain).ID)
	for _, id := range ids {
		user.finds(id, "succeeded")
		movedOnce(t, i.centre, id)
	}
	_, gate := ledgerState(t, standby)
	require.Equal(t, "open", gate)
	i.verified()
}

// An asynchronous standby that takes over without the last seconds closes the gate, and
// the API says so.
func TestLossyFailOverClosesTheGate(t *testing.T) {
	t.Parallel()
	primary, standby, url := followed(t)
	i := startInfraWith(t, map[string]string{"DATABASE_URL": url})
	i.worker()
	i.paysAndWaits(1)

	require.NoError(t, standby.Disconnect(t.Context()))
	has, _ := ledgerState(t, standby)
	eventually(t, "API and worker know of marks that the standby does not have", func() bool {
		mark, _ := ledgerState(t, primary)
		return mark > has+3
	})
	primary.Crash()
	require.NoError(t, standby.Promote(t.Context()))
	i.caller().isClosed()
	_, gate := ledgerState(t, standby)
	require.Equal(t, "closed", gate)
	require.False(t, answers(i.url()+"/readyz"))
}
