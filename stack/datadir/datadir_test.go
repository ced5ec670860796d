package datadir_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tolem/stack/datadir"
)

// childDir, when set, makes the test binary a holder of that directory.
const childDir = "DATADIR_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	dir := os.Getenv(childDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	if _, err := datadir.Open(dir); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("open")
	select {}
}

func open(t *testing.T, path string) *datadir.Dir {
	t.Helper()
	d, err := datadir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func permissions(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != want {
		t.Errorf("%s has mode %o, want %o", path, got, want)
	}
}

func TestOneStackPerDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "data")
	first := open(t, path)
	permissions(t, path, 0o700)

	_, err := datadir.Open(path)
	if err == nil {
		t.Fatal("the same directory opened twice")
	}
	for _, want := range []string{path, "process " + strconv.Itoa(os.Getpid())} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not contain %q", err, want)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path)
}

// A killed stack holds nothing; while it lives its process id is named.
func TestLockEndsWithTheProcess(t *testing.T) {
	path := t.TempDir()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Process.Kill() })
	said := make([]byte, 5)
	if n, err := out.Read(said); err != nil || string(said[:n]) != "open\n" {
		t.Fatalf("child says %q, error %v", said[:n], err)
	}

	_, err = datadir.Open(path)
	if err == nil || !strings.Contains(err.Error(), "process "+strconv.Itoa(child.Process.Pid)) {
		t.Errorf("error %v, want one naming process %d", err, child.Process.Pid)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // "signal: killed"
	open(t, path)
}

func TestSecretStaysTheSame(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	secret, err := d.Secret("secret")
	if err != nil || len(secret) != 64 {
		t.Fatalf("secret of %d characters, error %v", len(secret), err)
	}
	permissions(t, filepath.Join(path, "secret"), 0o600)
	if again, err := d.Secret("secret"); err != nil || again != secret {
		t.Errorf("asked again: changed %t, error %v", again != secret, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if again, err := open(t, path).Secret("secret"); err != nil || again != secret {
		t.Errorf("after a restart: changed %t, error %v", again != secret, err)
	}
	if other, err := open(t, t.TempDir()).Secret("secret"); err != nil || other == secret {
		t.Errorf("another directory has the same secret: %t, error %v", other == secret, err)
	}
}

func TestBrokenSecretIsRefused(t *testing.T) {
	for _, content := range []string{"", "\n", "changeme", strings.Repeat("ab", 31)} {
		path := t.TempDir()
		if err := os.WriteFile(filepath.Join(path, "secret"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if secret, err := open(t, path).Secret("secret"); err == nil {
			t.Errorf("%q taken as secret %q", content, secret)
		}
	}
}

func TestSub(t *testing.T) {
	d := open(t, t.TempDir())
	for range 2 {
		sub, err := d.Sub("temporal")
		if err != nil || sub != filepath.Join(d.Path(), "temporal") {
			t.Fatalf("%q, error %v", sub, err)
		}
		permissions(t, sub, 0o700)
	}
	for _, name := range []string{"", ".", "..", "a/b", "../x", "/etc", "a/"} {
		if sub, err := d.Sub(name); err == nil {
			t.Errorf("%q gave %s", name, sub)
		}
	}
}

func TestEphemeralIsRemoved(t *testing.T) {
	d, err := datadir.Ephemeral()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Sub("kafka"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Secret("secret"); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(d.Path()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there: %v", d.Path(), err)
	}
}
