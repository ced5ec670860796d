package storm

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// restartPause is how long a program that ended by itself waits for its next start: what it
// needs is away.
const restartPause = 500 * time.Millisecond

// program is one process that is started again whenever it ends, as a container is.
type program struct {
	name string
	path string
	args []string
	env  []string
	out  *os.File

	mu      sync.Mutex
	cmd     *exec.Cmd // nil while it does not run
	paused  bool
	stopped bool
	changed chan struct{}
	ended   sync.WaitGroup

	kills, deaths atomic.Int64 // by us, and by itself
}

// launch starts a program and keeps it running until stop. What it prints is in a file of the
// directory.
func launch(dir, name, path string, env map[string]string, args ...string) (*program, error) {
	out, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	p := &program{name: name, path: path, args: args, out: out, changed: make(chan struct{}, 1)}
	p.env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")} //nolint:forbidigo // a child's PATH, no setting
	for key, value := range env {
		p.env = append(p.env, key+"="+value)
	}
	p.ended.Go(p.keep)
	return p, nil
}

// keep runs the program again and again.
func (p *program) keep() {
	for {
		p.mu.Lock()
		if p.stopped {
			p.mu.Unlock()
			return
		}
		if p.paused {
			p.mu.Unlock()
			<-p.changed
			continue
		}
		killed := p.kills.Load()
		cmd := exec.Command(p.path, p.args...) //nolint:noctx // it is killed by name
		cmd.Env, cmd.Stdout, cmd.Stderr = p.env, p.out, p.out
		err := cmd.Start()
		if err == nil {
			p.cmd = cmd
		}
		p.mu.Unlock()
		if err == nil {
			_ = cmd.Wait() // why it ended is in its log
		}
		p.mu.Lock()
		p.cmd = nil
		p.mu.Unlock()
		if p.kills.Load() == killed {
			p.deaths.Add(1)
			select {
			case <-time.After(restartPause):
			case <-p.changed:
			}
		}
	}
}

// kill is kill -9; it says whether there was something to kill.
func (p *program) kill() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return false
	}
	p.kills.Add(1)
	return p.cmd.Process.Kill() == nil
}

// away kills the program and starts it again after a while.
func (p *program) away(ctx context.Context, during time.Duration) {
	p.set(func() { p.paused = true })
	p.kill()
	select {
	case <-time.After(during):
	case <-ctx.Done():
	}
	p.set(func() { p.paused = false })
}

func (p *program) set(change func()) {
	p.mu.Lock()
	change()
	p.mu.Unlock()
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// stop ends the program by SIGTERM, and by SIGKILL if it does not end in time.
func (p *program) stop() {
	p.set(func() {
		p.stopped = true
		p.kills.Add(1)
		if p.cmd != nil {
			_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		}
	})
	ended := make(chan struct{})
	go func() { p.ended.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		p.kill()
		<-ended
	}
	_ = p.out.Close() // written by the child
}

// Programs are the binaries that a storm needs.
type Programs struct{ Tolem, Simulators, Stack string }

// Build builds the product and the simulators from the module that the working directory is
// in. Stack is the caller's.
func Build(ctx context.Context, dir string) (Programs, error) {
	p := Programs{Tolem: filepath.Join(dir, "tolem"), Simulators: filepath.Join(dir, "simulators")}
	for _, build := range [][]string{{p.Tolem, "tolem/cmd/tolem"}, {p.Simulators, "tolem/simulators"}} {
		out, err := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", build[0], build[1]).CombinedOutput()
		if err != nil {
			return Programs{}, fmt.Errorf("go build %s (run it in the repository): %w\n%s", build[1], err, out)
		}
	}
	return p, nil
}
