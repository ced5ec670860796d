package endtoend

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// process is one program of ours, running.
type process struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	done chan struct{}
	out  *os.File
}

// start runs a program with an environment of its own. It is killed at the end
// of the test if it still runs.
func start(t *testing.T, program string, env map[string]string, args ...string) *process {
	t.Helper()
	out, err := os.CreateTemp(t.TempDir(), "output-*")
	require.NoError(t, err)
	p := &process{t: t, name: filepath.Base(program) + " " + strings.Join(args, " "), cmd: exec.Command(program, args...), done: make(chan struct{}), out: out}
	p.cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	for name, value := range env {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	require.NoError(t, p.cmd.Start())
	go func() {
		_ = p.cmd.Wait() // the exit is read from ProcessState
		close(p.done)
	}()
	t.Cleanup(func() {
		p.signal(syscall.SIGCONT)
		p.kill()
		if t.Failed() {
			t.Logf("%s printed:\n%s", p.name, p.output())
		}
	})
	return p
}

// run runs a program to its end, and returns what it prints and how it exits.
func run(t *testing.T, program string, env map[string]string, args ...string) (out string, exit int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = []string{"HOME=" + t.TempDir()}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	said, err := cmd.CombinedOutput()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return string(said), failed.ExitCode()
	}
	require.NoError(t, err)
	return string(said), 0
}

func (p *process) signal(s os.Signal) { _ = p.cmd.Process.Signal(s) } // it may have ended

// kill is kill -9.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// terminate is SIGTERM, and waits for the orderly end.
func (p *process) terminate() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	p.ends()
	require.Zero(p.t, p.cmd.ProcessState.ExitCode(), p.name)
}

func (p *process) ends() {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("%s did not end", p.name)
	}
}

func (p *process) output() string {
	b, err := os.ReadFile(p.out.Name())
	require.NoError(p.t, err)
	return string(b)
}

// nextPort counts through ports below the range from which systems take those of
// outgoing connections: one of these stays free until its program listens.
var nextPort atomic.Int32

// freeAddress is a loopback address that nobody listens on, and that no other
// caller is given.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 1000 {
		port := 20_000 + (os.Getpid()*37+int(nextPort.Add(1)))%10_000
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			require.NoError(t, l.Close())
			return l.Addr().String()
		}
	}
	t.Fatal("no free port")
	return ""
}
