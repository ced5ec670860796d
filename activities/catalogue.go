package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"tolem/partners/processing"
	"tolem/storage"
)

// errEmptyCatalogue is what the log says of a list without services.
var errEmptyCatalogue = errors.New("the centre told a list without services: ask it why; the list before it stays until services come")

// Catalogue keeps our copy of the processing centre's services.
type Catalogue struct {
	Ledger  *storage.Ledger
	Centre  *processing.Client
	Metrics *Metrics
}

// CatalogueInput is empty: there is one centre.
type CatalogueInput struct{}

// CatalogueResult counts what the centre told.
type CatalogueResult struct {
	Services       int `json:"services"`
	BrokenEntries  int `json:"brokenEntries"`  // left out because they cannot be read
	BrokenPatterns int `json:"brokenPatterns"` // inputs whose pattern does not compile
	// Saved is false when the ledger keeps what it has: a newer list, or the last
	// one with services where this has none.
	Saved bool `json:"saved"`
}

// Refresh asks the centre for its services and keeps them in the ledger, unless
// a newer list is there. A list without services replaces none that has some: it
// is logged and counted as an error, and the copy goes on ageing.
//
// It may run twice, or beside others: the newest list stays. It fails when the
// centre does not answer or the ledger does not; the copy is then as it was.
func (c *Catalogue) Refresh(ctx context.Context, _ CatalogueInput) (CatalogueResult, error) {
	fetched, err := c.Centre.Services(ctx)
	if err != nil {
		return CatalogueResult{}, err
	}
	at := storage.At(time.Now())
	content, err := json.Marshal(fetched)
	if err != nil {
		return CatalogueResult{}, fmt.Errorf("write the catalogue as JSON: %w", err)
	}
	result := CatalogueResult{Services: len(fetched.Services), BrokenEntries: fetched.Broken}
	result.Saved, err = c.Ledger.SaveCatalogue(ctx, storage.Catalogue{
		Partner: processing.Partner, Content: string(content),
		Services: result.Services, Broken: result.BrokenEntries, FetchedAt: at,
	})
	if err != nil {
		return CatalogueResult{}, err
	}
	if fetched.Dropped != "" {
		slog.WarnContext(ctx, "fields of a service were dropped", "partner", processing.Partner, "fields", fetched.Dropped)
	}
	for _, s := range fetched.Services {
		result.BrokenPatterns += len(s.BrokenPatterns())
	}
	c.report(ctx, result, at)
	return result, nil
}

// report counts and logs one list: numbers only.
func (c *Catalogue) report(ctx context.Context, r CatalogueResult, at storage.Timestamp) {
	if r.Services == 0 && !r.Saved {
		c.Metrics.emptyCatalogue()
		slog.ErrorContext(ctx, "catalogue not replaced", "partner", processing.Partner,
			"broken_entries", r.BrokenEntries, "error", errEmptyCatalogue)
		return
	}
	c.Metrics.catalogue(r, at.Time)
	level := slog.LevelInfo
	if r.Services == 0 || r.BrokenEntries > 0 || r.BrokenPatterns > 0 {
		level = slog.LevelWarn
	}
	slog.Log(ctx, level, "catalogue fetched", "partner", processing.Partner, "services", r.Services,
		"broken_entries", r.BrokenEntries, "broken_patterns", r.BrokenPatterns, "saved", r.Saved)
}
