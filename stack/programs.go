package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"tolem/stack/deployment"
)

// withPrograms builds what a deployment runs and does work with it; the temporary directory
// that it gives for logs and data is removed afterwards.
func withPrograms(ctx context.Context, progress io.Writer, work func(dir string, programs deployment.Programs) error) error {
	stack, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "tolem-deployment-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary directory
	fmt.Fprintln(progress, "building tolem and the simulators …")
	programs, err := deployment.Build(ctx, dir)
	if err != nil {
		return err
	}
	programs.Stack = stack
	return work(dir, programs)
}
