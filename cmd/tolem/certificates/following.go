package certificates

import (
	"log/slog"
	"os"
	"sync"
	"time"
)

// following keeps what files say up to date. It looks at them when it is asked, which is
// once a handshake: a few stat calls beside a signature.
type following struct {
	files Files

	mu    sync.Mutex
	seen  []os.FileInfo // of the files that last was read from
	last  read
	wrong string // why the files as they are now are not used; "" while they are
}

// follow reads the files once; that must succeed.
func follow(f Files) (*following, error) {
	seen := look(f)
	first, err := load(f, time.Now())
	if err != nil {
		return nil, err
	}
	return &following{files: f, seen: seen, last: first}, nil
}

// now is what the files say. Files that changed and cannot be used leave the last good ones
// in force: certificate and key are seldom replaced in one instant, and a handshake in
// between must succeed. They are read again at every handshake until they can be used, and
// what is wrong is logged once.
func (f *following) now() read {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := look(f.files) // before reading: what changes meanwhile is seen the next time
	if same(seen, f.seen) {
		return f.last
	}
	fresh, err := load(f.files, time.Now())
	switch {
	case err == nil:
		f.last, f.seen, f.wrong = fresh, seen, ""
		slog.Info("TLS certificate read again", "file", f.files.Certificate, "valid_until", fresh.pair.Leaf.NotAfter)
	case err.Error() != f.wrong:
		f.wrong = err.Error()
		slog.Error("the TLS files changed and cannot be used; the last good ones stay in force", "error", err,
			"valid_until", f.last.pair.Leaf.NotAfter)
	}
	return f.last
}

// look is the state of the files; nil stands for one that is not there. Stat follows
// symbolic links, by which orchestrators replace mounted secrets.
func look(f Files) []os.FileInfo {
	var seen []os.FileInfo
	for _, path := range []string{f.Authorities, f.Certificate, f.Key} {
		info, err := os.Stat(path)
		if err != nil {
			info = nil // reading it says why
		}
		seen = append(seen, info)
	}
	return seen
}

// same says that no file was replaced or written to. Writing to a file twice within its
// clock's step, to the same length, is not noticed.
func same(a, b []os.FileInfo) bool {
	for i := range a {
		switch {
		case a[i] == nil || b[i] == nil:
			if a[i] != b[i] {
				return false
			}
		case !os.SameFile(a[i], b[i]), !a[i].ModTime().Equal(b[i].ModTime()), a[i].Size() != b[i].Size():
			return false
		}
	}
	return true
}
