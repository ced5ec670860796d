// Package partners puts the simulated partners behind one HTTP handler, each
// under its own prefix.
package partners

import (
	"fmt"
	"log/slog"
	"net/http"

	"tolem/simulators/processing"
)

// DefaultToken is the bearer token of the simulated partners in development.
const DefaultToken = "simulator"

// ProcessingPath is the prefix of the processing centre: with the server's
// address before it, the base "up to and without /api/v20". Its control API is
// at ProcessingPath + "/control".
const ProcessingPath = "/processing"

// Options of the partners.
type Options struct {
	Dir   string       // where their books survive; "" = memory only
	Token string       // the bearer token they ask for; "" = none
	Log   *slog.Logger // nil = discard
}

// Partners are the running simulators.
type Partners struct {
	Processing *processing.Centre

	mux *http.ServeMux
}

// New opens the partners' books. It fails when the directory cannot be written
// or the books in it are damaged.
func New(o Options) (*Partners, error) {
	centre, err := processing.New(processing.Options{Dir: o.Dir, Token: o.Token, Log: o.Log})
	if err != nil {
		return nil, fmt.Errorf("processing centre: %w", err)
	}
	p := &Partners{Processing: centre, mux: http.NewServeMux()}
	p.mux.Handle(ProcessingPath+"/", http.StripPrefix(ProcessingPath, centre.Handler()))
	p.mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = fmt.Fprintf(w, "Simulated partners:\n  processing centre, protocol v20   %s/api/v20/   control: GET %s/control\n",
			ProcessingPath, ProcessingPath) // a reader who has gone needs no index
	})
	return p, nil
}

// Handler serves all partners.
func (p *Partners) Handler() http.Handler { return p.mux }

// Close releases waiting requests and closes the books. Call it before waiting
// for the server's connections to end.
func (p *Partners) Close() error { return p.Processing.Close() }
