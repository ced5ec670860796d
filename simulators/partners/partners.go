// Package partners puts the simulated partners behind one HTTP handler, each
// under its own prefix.
package partners

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"tolem/simulators/abs"
	"tolem/simulators/cfront"
	"tolem/simulators/processing"
)

// DefaultToken is the bearer token of the simulated partners in development.
const DefaultToken = "simulator"

// ProcessingPath is the prefix of the processing centre: with the server's
// address before it, the base "up to and without /api/v20". Its control API is
// at ProcessingPath + "/control".
const ProcessingPath = "/processing"

// CFRONTPath is the prefix of the bank of trade instalments: with the server's address
// before it, the base "up to and without /api". Its control API is at CFRONTPath +
// "/control".
const CFRONTPath = "/cfront"

// ABSPath is the prefix of the core banking system: with the server's address before it and
// /client, /accounts, /statement or /scan behind it, the address of one of its services. Its
// control API is at ABSPath + "/control".
const ABSPath = "/abs"

// What the simulated bank gave the store in development.
const (
	CFRONTStoreID = "simulator-store"
	CFRONTSecret  = "simulator-secret"
)

// Options of the partners.
type Options struct {
	Dir   string       // where their books survive; "" = memory only
	Token string       // the bearer token that the processing centre asks for; "" = none
	Log   *slog.Logger // nil = discard
}

// Partners are the running simulators.
type Partners struct {
	Processing *processing.Centre
	CFRONT     *cfront.Bank
	ABS        *abs.System

	mux *http.ServeMux
}

// New opens the partners' books. It fails when the directory cannot be written
// or the books in it are damaged.
func New(o Options) (*Partners, error) {
	centre, err := processing.New(processing.Options{Dir: o.Dir, Token: o.Token, Log: o.Log})
	if err != nil {
		return nil, fmt.Errorf("processing centre: %w", err)
	}
	bank, err := cfront.New(cfront.Options{Dir: o.Dir, StoreID: CFRONTStoreID, Secret: CFRONTSecret, Log: o.Log})
	if err != nil {
		_ = centre.Close() // the first error is the one to report
		return nil, fmt.Errorf("bank of trade instalments: %w", err)
	}
	core, err := abs.New(abs.Options{Dir: o.Dir, Log: o.Log})
	if err != nil {
		_, _ = centre.Close(), bank.Close() // the first error is the one to report
		return nil, fmt.Errorf("core banking system: %w", err)
	}
	p := &Partners{Processing: centre, CFRONT: bank, ABS: core, mux: http.NewServeMux()}
	p.mux.Handle(ABSPath+"/", http.StripPrefix(ABSPath, core.Handler()))
	p.mux.Handle(CFRONTPath+"/", http.StripPrefix(CFRONTPath, bank.Handler()))
	p.mux.Handle(ProcessingPath+"/", http.StripPrefix(ProcessingPath, centre.Handler()))
	p.mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = fmt.Fprintf(w, "Simulated partners:\n"+
			"  processing centre, protocol v20     %[1]s/api/v20/   control: GET %[1]s/control\n"+
			"  bank of trade instalments, CFRONT   %[2]s/api/           control: GET %[2]s/control\n"+
			"  core banking system, ABS            %[3]s/               control: GET %[3]s/control\n",
			ProcessingPath, CFRONTPath, ABSPath) // a reader who has gone needs no index
	})
	return p, nil
}

// Handler serves all partners.
func (p *Partners) Handler() http.Handler { return p.mux }

// Close releases waiting requests and closes the books. Call it before waiting
// for the server's connections to end.
func (p *Partners) Close() error {
	return errors.Join(p.Processing.Close(), p.CFRONT.Close(), p.ABS.Close())
}
