//go:build unix && !linux

package privatepostgres

import "syscall"

// dieWithOwner does nothing: there is no death signal here, and the sweep of
// the next Start ends the server.
func dieWithOwner(*syscall.SysProcAttr) {}
