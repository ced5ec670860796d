// Package following keeps what files say up to date without a restart.
package following

import (
	"os"
	"sync"
)

// Options of a Value.
type Options[T any] struct {
	Paths []string // "" stands for none
	Load  func() (T, error)
	// Changed is called with what was loaded after the files changed.
	Changed func(T)
	// Unusable is called once for each reason why files that changed are not used, with
	// what stays in force.
	Unusable func(reason error, kept T)
}

// Value is what files say. It looks at them when it is asked: a few stat calls. It is safe for
// concurrent use.
type Value[T any] struct {
	Options[T]

	mu    sync.Mutex
	seen  []os.FileInfo // of the files that last was loaded from
	last  T
	wrong string // why the files as they are now are not used; "" while they are
}

// New loads the files once; that must succeed.
func New[T any](o Options[T]) (*Value[T], error) {
	v := &Value[T]{Options: o, seen: look(o.Paths)}
	var err error
	v.last, err = o.Load()
	return v, err
}

// Now is what the files say. Files that changed and cannot be used leave the last good ones
// in force: several are seldom replaced in one instant. They are loaded at every call until
// they can be used.
func (v *Value[T]) Now() T {
	v.mu.Lock()
	defer v.mu.Unlock()
	seen := look(v.Paths) // before loading: what changes meanwhile is seen the next time
	if same(seen, v.seen) {
		v.wrong = "" // what was wrong was undone
		return v.last
	}
	fresh, err := v.Load()
	switch {
	case err == nil:
		v.last, v.seen, v.wrong = fresh, seen, ""
		v.Changed(fresh)
	case err.Error() != v.wrong:
		v.wrong = err.Error()
		v.Unusable(err, v.last)
	}
	return v.last
}

// Current says whether the files as they are now are in force.
func (v *Value[T]) Current() bool {
	v.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.wrong == ""
}

// look is the state of the files; nil stands for one that is not there. Stat follows
// symbolic links, by which orchestrators replace mounted secrets.
func look(paths []string) []os.FileInfo {
	var seen []os.FileInfo
	for _, path := range paths {
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
