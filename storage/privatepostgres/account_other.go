//go:build !unix

package privatepostgres

import (
	"os"
	"os/exec"
)

// Without signals every shutdown is a kill; the next start recovers from the log.
var fastShutdown, immediateShutdown = os.Kill, os.Kill

// account is the user whom the server runs as: ourselves.
type account struct{}

func unprivileged() (*account, error) { return nil, nil }

func (*account) own(string) error { return nil }

func (*account) become(*exec.Cmd) {}
