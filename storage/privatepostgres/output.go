package privatepostgres

import (
	"io"
	"sync"
)

// output passes on what the programs print and remembers the end of it for
// errors.
type output struct {
	log io.Writer

	mu   sync.Mutex
	kept []byte
}

const keptBytes = 4096 // a screenful

// Write never fails: a broken log must not stop the server, whose prints would
// then block it.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	o.kept = append(o.kept, p...)
	o.kept = o.kept[max(0, len(o.kept)-keptBytes):]
	o.mu.Unlock()
	if o.log != nil {
		_, _ = o.log.Write(p) // see above
	}
	return len(p), nil
}

func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.kept)
}

func (o *output) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.kept = nil
}
