package privatepostgres

import "syscall"

// dieWithOwner asks the kernel for a fast shutdown of the child when the thread
// that starts it ends; see Server.run, which keeps that thread.
func dieWithOwner(attr *syscall.SysProcAttr) {
	attr.Pdeathsig = fastShutdown
}
