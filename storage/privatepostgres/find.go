package privatepostgres

import (
	"cmp"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ErrNotFound says that no PostgreSQL server is installed, and which line
// installs one.
var ErrNotFound = errors.New(`no PostgreSQL server binaries (initdb, postgres, pg_basebackup, pg_ctl) on PATH or in the usual places; to install them type
	Debian, Ubuntu:  sudo apt-get install -y postgresql
	Fedora, RHEL:    sudo dnf install -y postgresql-server
	macOS:           brew install postgresql@17`)

// programs are those of PostgreSQL that this package runs.
var programs = []string{"initdb", "postgres", "pg_basebackup", "pg_ctl"}

// usualPlaces are where packages put the server binaries without putting them
// on PATH. Within one pattern the newest version wins.
var usualPlaces = []string{
	"/usr/lib/postgresql/*/bin",            // Debian, Ubuntu
	"/usr/pgsql-*/bin",                     // packages of postgresql.org for Fedora, RHEL
	"/usr/local/pgsql/bin",                 // built from source
	"/opt/homebrew/opt/postgresql@*/bin",   // Homebrew on Apple silicon
	"/usr/local/opt/postgresql@*/bin",      // Homebrew on Intel
	"/opt/homebrew/opt/postgresql/bin",     // Homebrew, unversioned
	"/usr/local/opt/postgresql/bin",        // Homebrew, unversioned
	"/usr/libexec/postgresql*",             // Alpine
	"/Applications/Postgres.app/*/*/*/bin", // Postgres.app
}

// Find returns the directory that holds initdb, postgres and the programs that
// come with them: the one on PATH, otherwise the newest version in the usual places
// of Debian, Fedora, macOS and a build from source. The error is ErrNotFound.
func Find() (binDir string, err error) {
	return find(usualPlaces)
}

func find(places []string) (string, error) {
	if initdb, err := exec.LookPath("initdb"); err == nil {
		if dir := filepath.Dir(initdb); complete(dir) {
			return dir, nil
		}
		// PATH may hold links to some of them: all are where they point.
		if target, err := filepath.EvalSymlinks(initdb); err == nil && complete(filepath.Dir(target)) {
			return filepath.Dir(target), nil
		}
	}
	for _, place := range places {
		dirs, err := filepath.Glob(place)
		if err != nil {
			continue // ErrBadPattern only, and the patterns are ours
		}
		slices.SortFunc(dirs, newestFirst)
		if i := slices.IndexFunc(dirs, complete); i >= 0 {
			return dirs[i], nil
		}
	}
	return "", ErrNotFound
}

// complete tells whether dir holds every program that is used; Debian's client
// package, for one, has the same directory and puts no server there.
func complete(dir string) bool {
	for _, name := range programs {
		if _, err := exec.LookPath(filepath.Join(dir, name)); err != nil {
			return false
		}
	}
	return true
}

// newestFirst orders directories by the last number in their paths, greatest
// first: "…/17/bin" before "…/9.6/bin", which text order would not give.
func newestFirst(a, b string) int {
	return cmp.Or(cmp.Compare(version(b), version(a)), cmp.Compare(b, a))
}

func version(path string) float64 {
	parts := strings.FieldsFunc(path, func(r rune) bool {
		return r == os.PathSeparator || r == '@' || r == '-'
	})
	for _, part := range slices.Backward(parts) {
		if v, err := strconv.ParseFloat(part, 64); err == nil {
			return v
		}
	}
	return 0
}
