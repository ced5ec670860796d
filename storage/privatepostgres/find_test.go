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
	for _, name := range []string{"9.6/bin/initdb", "9.6/bin/postgres", "15/bin/initdb", "15/bin/postgres", "17/bin/initdb"} {
		install(t, filepath.Join(root, name))
	}
	dir, err := find([]string{filepath.Join(root, "nothing/*"), filepath.Join(root, "*", "bin")})
	if want := filepath.Join(root, "15", "bin"); err != nil || dir != want {
		t.Errorf("find() = %q, %v, want %q: 17 has no postgres, and 15 is newer than 9.6", dir, err, want)
	}
}

func TestFindFollowsALinkOnPath(t *testing.T) {
	real, linked := t.TempDir(), t.TempDir()
	install(t, filepath.Join(real, "initdb"))
	install(t, filepath.Join(real, "postgres"))
	if err := os.Symlink(filepath.Join(real, "initdb"), filepath.Join(linked, "initdb")); err != nil {
		t.Fatal(err)
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

func install(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}
