// Package datadir opens the directory in which a stack keeps everything:
// Temporal's file, Kafka's log, the ledger, the simulators' books.
package datadir

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
)

const (
	private     = 0o700 // directories: the ledger holds personal data
	privateFile = 0o600

	secretBytes = 32
)

// Dir is a data directory that this process alone holds, until Close.
type Dir struct {
	path      string
	lock      *flock.Flock
	ephemeral bool
}

// Open creates the directory if it does not exist and locks it. A directory
// held by another stack, also one in this process, is an error that names the
// directory and the other's process id. The lock ends with the process, however
// it ends.
func Open(path string) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", path, err)
	}
	if err := os.MkdirAll(path, private); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	d := &Dir{path: path, lock: flock.New(filepath.Join(path, "lock"))}
	locked, err := d.lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("data directory %s: lock: %w", path, err)
	}
	if !locked {
		return nil, fmt.Errorf("data directory %s is in use by process %s: stop it, or choose another directory", path, d.holder())
	}
	pid := strconv.Itoa(os.Getpid()) + "\n"
	if err := os.WriteFile(d.pidFile(), []byte(pid), privateFile); err != nil {
		return nil, errors.Join(fmt.Errorf("data directory: %w", err), d.lock.Close())
	}
	return d, nil
}

// Ephemeral opens a new temporary directory, which Close removes.
func Ephemeral() (*Dir, error) {
	path, err := os.MkdirTemp("", "tolem-")
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	d, err := Open(path)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(path))
	}
	d.ephemeral = true
	return d, nil
}

// Path is the absolute path of the directory.
func (d *Dir) Path() string { return d.path }

// Sub returns the path of the directory of that name inside, created if it does
// not exist. The name is one path element.
func (d *Dir) Sub(name string) (string, error) {
	if !filepath.IsLocal(name) || name == "." || name != filepath.Base(name) {
		return "", fmt.Errorf("data directory %s: %q is not the name of a directory in it", d.path, name)
	}
	path := filepath.Join(d.path, name)
	if err := os.MkdirAll(path, private); err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	return path, nil
}

// Secret returns a development API secret of this directory, kept in the file of
// the given name: 64 hexadecimal digits, made at the first call and the same ever
// after. Only the owner of the directory can read its file.
func (d *Dir) Secret(name string) (string, error) {
	file := filepath.Join(d.path, name)
	kept, err := os.ReadFile(file)
	if err == nil {
		return usable(file, strings.TrimSpace(string(kept)))
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("API secret: %w", err)
	}
	random := make([]byte, secretBytes)
	_, _ = rand.Read(random) // never fails since Go 1.24: it would end the process
	secret := hex.EncodeToString(random)
	// Written aside and renamed: a crash leaves no half a secret.
	if err := os.WriteFile(file+".new", []byte(secret+"\n"), privateFile); err != nil {
		return "", fmt.Errorf("API secret: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return "", fmt.Errorf("API secret: %w", err)
	}
	return secret, nil
}

// usable refuses what somebody left in the file by mistake. An empty secret
// would let everybody in.
func usable(file, secret string) (string, error) {
	if raw, err := hex.DecodeString(secret); err != nil || len(raw) != secretBytes {
		return "", fmt.Errorf("API secret: %s does not hold %d hexadecimal digits: delete it to get a new one", file, 2*secretBytes)
	}
	return secret, nil
}

// Close gives up the directory; an ephemeral one is removed. Whatever uses the
// directory must have stopped before. Closing twice is harmless.
func (d *Dir) Close() error {
	err := d.lock.Close() // first: Windows does not remove a locked file
	if d.ephemeral {
		err = errors.Join(err, os.RemoveAll(d.path))
	}
	if err != nil {
		return fmt.Errorf("data directory %s: %w", d.path, err)
	}
	return nil
}

func (d *Dir) pidFile() string { return filepath.Join(d.path, "pid") }

// holder is the process id the holder of the lock wrote. It is a file of its
// own, because on Windows a locked file cannot be read.
func (d *Dir) holder() string {
	pid, err := os.ReadFile(d.pidFile())
	if err != nil || len(pid) == 0 {
		return "(unknown)"
	}
	return strings.TrimSpace(string(pid))
}
