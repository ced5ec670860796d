package storage_test

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// bouncer starts PgBouncer in transaction mode in front of a database and returns the
// database's address there. A transaction gets the session that was idle longest, so that two
// of one client seldom have the same.
func bouncer(t *testing.T, database string) (address string) {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/pgbouncer") // Debian's, on the PATH of root alone
	}
	require.NoError(t, err, "the tests need PgBouncer: sudo apt-get install -y pgbouncer")
	behind, err := url.Parse(database)
	require.NoError(t, err)
	password, _ := behind.User.Password()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	require.NoError(t, listener.Close())

	dir, err := os.MkdirTemp("", "tolem-pgbouncer-") // not t.TempDir, which another user cannot reach
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	settings := filepath.Join(dir, "pgbouncer.ini")
	require.NoError(t, os.WriteFile(settings, fmt.Appendf(nil, `[databases]
* = host=%s port=%s user=%s password=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 8
server_round_robin = 1
`, behind.Hostname(), behind.Port(), behind.User.Username(), password, port), 0o644))
	args := []string{settings}
	if os.Geteuid() == 0 {
		args = []string{"-u", "nobody", settings} // it does not run as root
	}
	running := exec.CommandContext(t.Context(), program, args...)
	running.Cancel = func() error { return running.Process.Signal(syscall.SIGTERM) }
	running.WaitDelay = 10 * time.Second
	require.NoError(t, running.Start())
	t.Cleanup(func() { _ = running.Wait() }) // ended by the test's context

	address = "postgres://tolem@127.0.0.1:" + port + behind.Path + "?sslmode=disable"
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}, time.Minute, 20*time.Millisecond)
	return address
}
