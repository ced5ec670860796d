package privatepostgres

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestStopLeavesNoProcessAndNoDirectory(t *testing.T) {
	s := started(t, Options{})
	conn, err := pgx.Connect(t.Context(), s.URL()) // somebody is still connected
	if err != nil {
		t.Fatal(err)
	}
	s.Stop()
	s.Stop() // does nothing
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("the server still answers")
	}
	if processes := using(t, s.dir); len(processes) > 0 {
		t.Errorf("still running: %v", processes)
	}
	if _, err := os.Stat(s.dir); !os.IsNotExist(err) {
		t.Errorf("directory after Stop: %v, want none", err)
	}
}

const ownerMark = "TOLEM_TEST_OWNER" // set in the process that TestServerDiesWithItsOwner kills

func TestServerDiesWithItsOwnerAndIsSwept(t *testing.T) {
	if os.Getenv(ownerMark) != "" {
		own(t)
		return
	}
	owner := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	owner.Env = append(os.Environ(), ownerMark+"=1")
	printed, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	dir := ""
	for lines := bufio.NewScanner(printed); dir == "" && lines.Scan(); {
		_, dir, _ = strings.Cut(lines.Text(), "owns ")
	}
	if dir == "" || len(using(t, dir)) == 0 {
		t.Fatalf("no server runs in %q", dir)
	}
	if err := owner.Process.Kill(); err != nil { // SIGKILL: it gets no chance to call Stop
		t.Fatal(err)
	}
	_ = owner.Wait() // it was killed

	for deadline := time.After(time.Minute); len(using(t, dir)) > 0; {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-deadline:
			t.Fatalf("the server outlived its owner: %v", using(t, dir))
		}
	}
	sweep(os.TempDir())
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("a directory younger than %v was swept: %v", sweepAge, err)
	}
	grow(t, dir)
	sweep(os.TempDir())
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the dead server's directory was not swept: %v", err)
	}
}

func TestSweepSparesTheLiving(t *testing.T) {
	s := started(t, Options{})
	grow(t, s.dir)
	sweep(os.TempDir())
	if got := ask(t, s.URL(), "SELECT 'alive'"); got != "alive" {
		t.Error(got)
	}
}

// own is the owner: it starts a server and waits to be killed.
func own(t *testing.T) {
	s, err := Start(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stdout.WriteString("owns " + s.dir + "\n"); err != nil {
		t.Fatal(err)
	}
	<-s.server.exited
}

// grow makes the directory older than the sweep's mercy.
func grow(t *testing.T, dir string) {
	t.Helper()
	old := time.Now().Add(-2 * sweepAge)
	if err := os.Chtimes(dir, old, old); err != nil {
		t.Fatal(err)
	}
}

// using lists the command lines of the processes that run in dir: the server's
// main process and its helpers.
func using(t *testing.T, dir string) (commands []string) {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		cwd, err := os.Readlink(link)
		if err != nil || !strings.HasPrefix(cwd, dir) {
			continue // gone meanwhile, or another user's
		}
		command, err := os.ReadFile(filepath.Join(filepath.Dir(link), "cmdline"))
		if err != nil || len(command) == 0 {
			continue // gone meanwhile
		}
		commands = append(commands, strings.ReplaceAll(string(command), "\x00", " "))
	}
	return commands
}
