package privatepostgres

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFindWithAnEmptyPathLooksInTheUsualPlaces(t *testing.T) {
	t.Setenv("PATH", "")
	dir, err := Find()
	if errors.Is(err, ErrNotFound) {
		return // on this machine they are nowhere else
	}
	if err != nil || !complete(dir) {
		t.Errorf("Find() = %q, %v: no initdb and postgres there", dir, err)
	}
}

func TestFindTakesTheNewestComplete(t *testing.T) {
	t.Setenv("PATH", "")
	root := t.TempDir()
	install(t, filepath.Join(root, "9.6/bin"), programs...)
	install(t, filepath.Join(root, "15/bin"), programs...)
	install(t, filepath.Join(root, "17/bin"), "initdb")
	dir, err := find([]string{filepath.Join(root, "nothing/*"), filepath.Join(root, "*", "bin")})
	if want := filepath.Join(root, "15", "bin"); err != nil || dir != want {
		t.Errorf("find() = %q, %v, want %q: 17 has no postgres, and 15 is newer than 9.6", dir, err, want)
	}
}

func TestFindFollowsALinkOnPath(t *testing.T) {
	real, linked := t.TempDir(), t.TempDir()
	install(t, real, programs...)
	for _, name := range programs[:2] { // as on a machine whose administrator linked what starts a server
		if err := os.Symlink(filepath.Join(real, name), filepath.Join(linked, name)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", linked)
	if dir, err := find(nil); err != nil || dir != real {
		t.Errorf("find() = %q, %v, want %q", dir, err, real)
	}
}

func TestFindSaysWhatToType(t *testing.T) {
	t.Setenv("PATH", "")
	_, err := find(nil)
	if !errors.Is(err, ErrNotFound) {
		t.Fatalf("error %v, want ErrNotFound", err)
	}
	for _, line := range []string{"apt-get install -y postgresql", "dnf install -y postgresql-server", "brew install postgresql"} {
		if !strings.Contains(err.Error(), line) {
			t.Errorf("the error does not contain %q:\n%v", line, err)
		}
	}
}

func install(t *testing.T, dir string, names ...string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}
