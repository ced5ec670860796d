package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"tolem/partners/processing"
	"tolem/storage"
)

const (
	// catalogueAge is how long a catalogue is as good as new; centres change
	// theirs a few times a day. The worker fetches one as often.
	catalogueAge = 5 * time.Minute

	// catalogueLimit bounds one fetch, if PARTNER_TIMEOUT does not earlier: a
	// person waits at a till.
	catalogueLimit = 10 * time.Second

	// cataloguePatience is how long a request waits for a new catalogue while an
	// old one is at hand.
	cataloguePatience = time.Second

	// cataloguePause keeps a failing centre from being asked by every request.
	cataloguePause = 5 * time.Second
)

// errNoServices is an answer that is far more often the centre's mistake than the
// end of all its services.
var errNoServices = errors.New("the centre told a list without services; one that has some stays until services come")

// catalogue keeps the centre's list of services in memory, and reads it from the
// ledger when memory is old: workers and other APIs save theirs there. Only when
// that is old too does it ask the centre, at most once at a time. While the
// centre does not answer it serves the newest list there is.
type catalogue struct {
	fetch  func(context.Context) (processing.Catalogue, error)
	ledger *storage.Ledger
	limit  time.Duration
	now    func() time.Time

	flights singleflight.Group
	mu      sync.Mutex
	held    *heldCatalogue // nil before the first success
	failed  time.Time      // when the centre last brought nothing to go by; zero before
	reason  error
}

// heldCatalogue is a list and when the centre told it; it is never changed.
type heldCatalogue struct {
	processing.Catalogue
	byID map[string]processing.Service
	at   time.Time
}

// get is the catalogue; a fresh one comes from memory and reads nothing. It
// fails with catalogue_unavailable when the centre never answered anybody.
func (c *catalogue) get(ctx context.Context) (*heldCatalogue, error) {
	held, pausing, reason := c.look()
	switch {
	case held != nil && (pausing || c.young(held)):
		return held, nil
	case pausing:
		return nil, unknownCatalogue(reason)
	}
	flight := c.fly(ctx, "renew", func(ctx context.Context) {
		c.load(ctx)
		if held, _, _ := c.look(); held == nil || !c.young(held) {
			c.ask(ctx)
		}
	})
	impatient := time.NewTicker(cataloguePatience) // the ledger may bring an old list while the centre is slow
	defer impatient.Stop()
	for {
		select {
		case <-flight:
			return c.newest()
		case <-impatient.C:
			if held, _, _ := c.look(); held != nil {
				return held, nil
			}
		case <-ctx.Done():
			return nil, unknownCatalogue(ctx.Err())
		}
	}
}

// refresh asks the centre now, whatever is held, and waits for its answer. When
// it fails, the newest list there is will do.
func (c *catalogue) refresh(ctx context.Context) (*heldCatalogue, error) {
	flight := c.fly(ctx, "refresh", func(ctx context.Context) {
		c.load(ctx) // first, so that it is at hand whatever the centre says
		c.ask(ctx)
	})
	select {
	case <-flight:
		return c.newest()
	case <-ctx.Done():
		return nil, unknownCatalogue(ctx.Err())
	}
}

// fly runs do once for everybody who asks meanwhile; no caller that hangs up ends
// it for the others. A panic must not leave it: nobody could rescue it there.
func (c *catalogue) fly(ctx context.Context, name string, do func(context.Context)) <-chan singleflight.Result {
	return c.flights.DoChan(name, func() (any, error) {
		ctx := context.WithoutCancel(ctx)
		defer func() {
			if v := recover(); v != nil {
				c.fail(ctx, fmt.Errorf("panic with a %T while reading the catalogue", v))
			}
		}()
		do(ctx)
		return nil, nil
	})
}

// newest is what a flight left.
func (c *catalogue) newest() (*heldCatalogue, error) {
	held, _, reason := c.look()
	if held == nil {
		return nil, unknownCatalogue(reason)
	}
	return held, nil
}

// typeOf is a service's type in the newest list; nil without one.
func (c *catalogue) typeOf(serviceID string) *int {
	held, _, _ := c.look()
	if held == nil {
		return nil
	}
	service, known := held.byID[serviceID]
	if !known {
		return nil
	}
	return &service.Type
}

// fresh says whether a request would be checked without asking anybody.
func (c *catalogue) fresh() bool {
	held, _, _ := c.look()
	return held != nil && c.young(held)
}

// young says whether a list is as good as new; one without services never is.
func (c *catalogue) young(held *heldCatalogue) bool {
	return len(held.Services) > 0 && c.now().Sub(held.at) < catalogueAge
}

func unknownCatalogue(cause error) error {
	return &problem{
		code: catalogueUnavailable, cause: cause,
		detail: "the processing centre has not told its services yet; nothing was stored, send the same request again",
	}
}

// look is what is known now; pausing says that the centre failed just now.
func (c *catalogue) look() (held *heldCatalogue, pausing bool, reason error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held, !c.failed.IsZero() && c.now().Sub(c.failed) < cataloguePause, c.reason
}

// load takes the ledger's copy if it is newer than memory's. A ledger that does
// not answer leaves memory as it is.
func (c *catalogue) load(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, ledgerLimit)
	defer cancel()
	var after time.Time
	if held, _, _ := c.look(); held != nil && len(held.Services) > 0 {
		after = held.at
	}
	copied, err := c.ledger.Catalogue(ctx, processing.Partner, after)
	if errors.Is(err, storage.ErrNotFound) {
		return
	}
	var list processing.Catalogue
	if err == nil {
		err = json.Unmarshal([]byte(copied.Content), &list)
	}
	if err != nil {
		slog.WarnContext(ctx, "catalogue not read from the ledger", "error", err)
		return
	}
	c.adopt(list, copied.FetchedAt.Time)
}

// ask asks the centre, or waits for whoever does, and keeps what came in memory
// and in the ledger.
func (c *catalogue) ask(ctx context.Context) {
	_, _, _ = c.flights.Do("centre", func() (any, error) { // what came, or not, is in c
		asking, cancel := context.WithTimeout(ctx, c.limit)
		defer cancel()
		list, err := c.fetch(asking)
		at := storage.At(c.now())
		var content []byte
		if err == nil {
			content, err = json.Marshal(list)
		}
		if err != nil {
			c.fail(ctx, err)
			return nil, nil
		}
		c.adopt(list, at.Time)
		if len(list.Services) == 0 {
			c.fail(ctx, errNoServices)
		}
		if list.Broken > 0 {
			slog.WarnContext(ctx, "catalogue has entries that cannot be read", "count", list.Broken)
		}
		c.save(ctx, storage.Catalogue{
			Partner: processing.Partner, Content: string(content), Services: len(list.Services), Broken: list.Broken, FetchedAt: at,
		})
		return nil, nil
	})
}

// save keeps a list for a restart and for other processes; the ledger itself
// keeps what is newer. Memory serves when it fails.
func (c *catalogue) save(ctx context.Context, list storage.Catalogue) {
	ctx, cancel := context.WithTimeout(ctx, ledgerLimit)
	defer cancel()
	if _, err := c.ledger.SaveCatalogue(ctx, list); err != nil {
		slog.WarnContext(ctx, "catalogue not saved", "error", err)
	}
}

// adopt serves a list from now on if it is newer than what is held. A list
// without services replaces none that has some.
func (c *catalogue) adopt(list processing.Catalogue, at time.Time) {
	byID := make(map[string]processing.Service, len(list.Services))
	for _, s := range list.Services {
		byID[s.ServiceID] = s
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if held := c.held; held != nil {
		has, had := len(list.Services) > 0, len(held.Services) > 0
		if had && !has || had == has && !at.After(held.at) {
			return
		}
	}
	c.held = &heldCatalogue{Catalogue: list, byID: byID, at: at}
}

// fail remembers that the centre brought nothing to go by.
func (c *catalogue) fail(ctx context.Context, err error) {
	level := slog.LevelWarn
	if errors.Is(err, errNoServices) {
		level = slog.LevelError
	}
	slog.Log(ctx, level, "catalogue not fetched", "error", err)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed, c.reason = c.now(), err
}
