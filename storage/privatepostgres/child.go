package privatepostgres

import (
	"fmt"
	"os/exec"
	"runtime"
)

// child is one of PostgreSQL's programs, started.
type child struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when it is gone
	err    error         // how it ended, once exited is closed
}

// start starts cmd and keeps the starting thread for as long as it runs: Linux
// sends the death signal when the *thread* that started a child ends, and Go
// ends threads as it likes. The goroutine that holds the thread is also the one
// that waits for the child, so that neither is left over.
func start(cmd *exec.Cmd) (*child, error) {
	c := &child{cmd: cmd, exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			c.err = cmd.Wait()
			close(c.exited)
		}
	}()
	if err := <-started; err != nil {
		// The system says "permission denied" alone when the user may not enter
		// the directory.
		return nil, fmt.Errorf("%w (working directory %s)", err, cmd.Dir)
	}
	return c, nil
}
