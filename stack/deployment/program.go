package deployment

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

// Program is one process that is started again whenever it ends, as a container is.
type Program struct {
	// Name is that of its log, too.
	Name string
	// URL is where it answers HTTP, "" where it does not.
	URL string

	path string
	args []string
	env  []string
	out  *os.File

	mu      sync.Mutex
	cmd     *exec.Cmd // nil while it does not run
	paused  bool
	stopped bool
	changed chan struct{}
	running sync.WaitGroup

	kills, deaths atomic.Int64 // by us, and by itself
}

// launch starts a program and keeps it running until Stop. What it prints is in a file of the
// directory.
func launch(dir, name, path string, env map[string]string, args ...string) (*Program, error) {
	out, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	p := &Program{Name: name, path: path, args: args, out: out, changed: make(chan struct{}, 1)}
	p.env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")} //nolint:forbidigo // a child's PATH, no setting
	for key, value := range env {
		p.env = append(p.env, key+"="+value)
	}
	p.running.Go(p.keep)
	return p, nil
}

// keep runs the program again and again.
func (p *Program) keep() {
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

// Kill is kill -9; it says whether there was something to kill.
func (p *Program) Kill() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return false
	}
	p.kills.Add(1)
	return p.cmd.Process.Kill() == nil
}

// Away kills the program and starts it again after a while.
func (p *Program) Away(ctx context.Context, during time.Duration) {
	p.set(func() { p.paused = true })
	p.Kill()
	select {
	case <-time.After(during):
	case <-ctx.Done():
	}
	p.set(func() { p.paused = false })
}

func (p *Program) set(change func()) {
	p.mu.Lock()
	change()
	p.mu.Unlock()
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// Stop ends the program by SIGTERM, and by SIGKILL if it does not end in time. Again it does
// nothing.
func (p *Program) Stop() {
	p.set(func() {
		p.stopped = true
		p.kills.Add(1)
		if p.cmd != nil {
			_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		}
	})
	ended := make(chan struct{})
	go func() { p.running.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		p.Kill()
		<-ended
	}
	_ = p.out.Close() // written by the child
}

// ended says that Stop was called.
func (p *Program) ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopped
}

// PID is that of the process, 0 while it does not run.
func (p *Program) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// Kills is how often it was killed.
func (p *Program) Kills() int64 { return p.kills.Load() }

// Deaths is how often it ended by itself.
func (p *Program) Deaths() int64 { return p.deaths.Load() }

// Programs are the binaries that a deployment needs.
type Programs struct{ Tolem, Simulators, Stack string }

// Build builds the product and the simulators from the module that the working directory is
// in. Stack is the caller's.
func Build(ctx context.Context, dir string) (Programs, error) {
	p := Programs{Tolem: filepath.Join(dir, "tolem"), Simulators: filepath.Join(dir, "simulators")}
	if err := build(ctx, p.Tolem, "tolem/cmd/tolem"); err != nil {
		return Programs{}, err
	}
	return p, build(ctx, p.Simulators, "tolem/simulators")
}

// BuildAll builds Stack, too, for a caller that is not the stack itself.
func BuildAll(ctx context.Context, dir string) (Programs, error) {
	p, err := Build(ctx, dir)
	if err != nil {
		return Programs{}, err
	}
	p.Stack = filepath.Join(dir, "stack")
	return p, build(ctx, p.Stack, "tolem/stack")
}

func build(ctx context.Context, into, command string) error {
	out, err := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", into, command).CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build %s (run it in the repository): %w\n%s", command, err, out)
	}
	return nil
}
