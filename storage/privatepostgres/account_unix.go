//go:build unix

package privatepostgres

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// PostgreSQL's own meaning of the signals.
const (
	fastShutdown      = syscall.SIGINT  // ends connections, writes a checkpoint
	immediateShutdown = syscall.SIGQUIT // as after a crash: the next start recovers from the log
)

// account is the user whom the server runs as: nil means ourselves.
type account struct{ uid, gid uint32 }

// unprivileged chooses the server's user. PostgreSQL refuses to run as root, so
// root becomes postgres where that user exists, otherwise nobody.
func unprivileged() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		return &account{uint32(uid), uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
}

// own passes a file or an empty directory to the server's user.
func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	return os.Chown(path, int(a.uid), int(a.gid))
}

// become makes cmd run as the server's user, in a process group of its own: an
// interrupt typed at the terminal is for us, and we stop the server after the
// work that uses it.
func (a *account) become(cmd *exec.Cmd) {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if a != nil {
		attr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	dieWithOwner(attr)
	cmd.SysProcAttr = attr
}
