package endtoend

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tolem/storage/privatepostgres"
)

// name is an address that leads new connections where it is told to; those that there are stay.
type name struct {
	listener net.Listener
	leads    atomic.Value // a host:port
}

func newName(t *testing.T, to string) *name {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() }) // ends serve
	n := &name{listener: listener}
	n.leads.Store(to)
	go n.serve()
	return n
}

func (n *name) serve() {
	for {
		caller, err := n.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = caller.Close() }() // whichever end closes ends both
			to, _ := n.leads.Load().(string)
			server, err := net.Dial("tcp", to)
			if err != nil {
				return
			}
			defer func() { _ = server.Close() }() // as above
			go func() {
				_, _ = io.Copy(server, caller) // ends with either
				_ = server.Close()
			}()
			_, _ = io.Copy(caller, server)
		}()
	}
}

func host(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	return u.Host
}

// The ledger's name leads to the promoted standby while the old primary stays up and only
// reads: API and worker go on without a restart, the old node gets nothing more, and readiness
// tells the truth.
func TestSwitchOverWhileTheOldNodeStaysUp(t *testing.T) {
	t.Parallel()
	primary, err := privatepostgres.Start(t.Context(), privatepostgres.Options{Replicated: true})
	require.NoError(t, err)
	t.Cleanup(primary.Stop)
	standby, err := primary.StartStandby(t.Context())
	require.NoError(t, err)
	t.Cleanup(standby.Stop)
	require.NoError(t, primary.CommitsWaitFor(t.Context(), standby))
	address, err := primary.CreateDatabase(t.Context(), "ledger")
	require.NoError(t, err)
	ledger := newName(t, host(t, address))
	env := map[string]string{"DATABASE_URL": strings.Replace(address, host(t, address), ledger.listener.Addr().String(), 1)}
	out, exit := run(t, programs.tolem, env, "migrate")
	require.Zero(t, exit, out)

	i := startInfraWith(t, env)
	worker, user := i.worker(), i.caller()
	for n := range 10 {
		user.finds(user.pays(fmt.Sprint("before-", n)).ID, "succeeded")
	}
	old, err := pgx.Connect(t.Context(), address)
	require.NoError(t, err)
	defer func() { require.NoError(t, old.Close(t.Context())) }()
	for _, statement := range []string{"ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"} {
		_, err := old.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
	eventually(t, "readiness fails while no server takes commits", func() bool {
		status, answer := user.do(http.MethodGet, "/readyz", "", nil, nil)
		return status == http.StatusServiceUnavailable && strings.Contains(answer, "ledger: failed")
	})
	require.NoError(t, standby.Promote(t.Context()))
	ledger.leads.Store(host(t, standby.URL()))

	eventually(t, "the API is ready", func() bool { return answers(i.url() + "/readyz") })
	for n := range 20 {
		id := user.pays(fmt.Sprint("after-", n)).ID // 2xx each
		user.finds(id, "succeeded")
		movedOnce(t, i.centre, id)
	}
	for _, p := range []*process{i.api, worker} {
		require.Nil(t, p.cmd.ProcessState, "it was never started again")
	}
	var payments int
	require.NoError(t, old.QueryRow(t.Context(), "SELECT count(*) FROM payments").Scan(&payments), "the old node stayed up")
	require.Equal(t, 10, payments)
}
