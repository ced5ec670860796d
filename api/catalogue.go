package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/sync/singleflight"

	"tolem/partners/processing"
)

const (
	// catalogueAge is how long a catalogue is as good as new; centres change
	// theirs a few times a day.
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

// catalogue keeps the centre's list of services in memory. It asks at most once
// at a time, and serves an old list while the centre does not answer.
type catalogue struct {
	fetch func(context.Context) (processing.Catalogue, error)
	limit time.Duration
	now   func() time.Time

	flights singleflight.Group
	mu      sync.Mutex
	held    *heldCatalogue // nil before the first success
	failed  time.Time      // when the last fetch failed; zero after a success
	reason  error
}

// heldCatalogue is a list and when it came; it is never changed.
type heldCatalogue struct {
	processing.Catalogue
	byID map[string]processing.Service
	at   time.Time
}

// get is the catalogue. It fails with catalogue_unavailable when the centre
// never answered.
func (c *catalogue) get(ctx context.Context) (*heldCatalogue, error) {
	held, pausing, reason := c.look()
	switch {
	case held != nil && (pausing || c.now().Sub(held.at) < catalogueAge):
		return held, nil
	case pausing:
		return nil, unknownCatalogue(reason)
	}
	flight := c.flights.DoChan("", func() (any, error) { return nil, c.refresh(context.WithoutCancel(ctx)) })
	var patience <-chan time.Time // never, while there is nothing to serve instead
	if held != nil {
		timer := time.NewTimer(cataloguePatience)
		defer timer.Stop()
		patience = timer.C
	}
	select {
	case <-flight:
	case <-patience:
	case <-ctx.Done():
		return nil, unknownCatalogue(ctx.Err())
	}
	held, _, reason = c.look()
	if held == nil {
		return nil, unknownCatalogue(reason)
	}
	return held, nil
}

// fresh says whether a request would be checked without asking the centre.
func (c *catalogue) fresh() bool {
	held, _, _ := c.look()
	return held != nil && c.now().Sub(held.at) < catalogueAge
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

// refresh asks the centre once. A panic must not leave the flight: nobody could
// rescue it there.
func (c *catalogue) refresh(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	var fresh processing.Catalogue
	func() {
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("panic with a %T while reading the catalogue", v)
			}
		}()
		fresh, err = c.fetch(ctx)
	}()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.failed, c.reason = c.now(), err
		slog.WarnContext(ctx, "catalogue not fetched", "error", err)
		return err
	}
	if fresh.Broken > 0 {
		slog.WarnContext(ctx, "catalogue has entries that cannot be read", "count", fresh.Broken)
	}
	held := &heldCatalogue{Catalogue: fresh, byID: make(map[string]processing.Service, len(fresh.Services)), at: c.now()}
	for _, s := range fresh.Services {
		held.byID[s.ServiceID] = s
	}
	c.held, c.failed, c.reason = held, time.Time{}, nil
	return nil
}

// age is how old a catalogue is, in whole seconds.
func (c *catalogue) age(held *heldCatalogue) int { return int(c.now().Sub(held.at) / time.Second) }

// checkAgainstCatalogue adds what the service's description forbids. A request
// without a readable serviceId is left alone.
func (s *Server) checkAgainstCatalogue(ctx context.Context, r paymentRequest, wrong *fieldErrors) error {
	if r.ServiceID == "" {
		return nil
	}
	held, err := s.catalogue.get(ctx)
	if err != nil {
		return err
	}
	service, known := held.byID[r.ServiceID]
	if !known {
		wrong.add("serviceId", ruleUnknownService, "is not in the catalogue; GET /v1/services lists what is")
		return nil
	}
	r.checkService(service, wrong)
	return nil
}

// serviceList is the answer to GET /v1/services.
type serviceList struct {
	Items  []processing.Service `json:"items"`
	Age    int                  `json:"age"`              // seconds since the centre told it
	Broken int                  `json:"broken,omitempty"` // entries left out because they cannot be read
}

// listServices answers GET /v1/services.
func (s *Server) listServices(c echo.Context) error {
	held, err := s.catalogue.get(c.Request().Context())
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, echo.MIMEApplicationJSON,
		serviceList{Items: held.Services, Age: s.catalogue.age(held), Broken: held.Broken})
}

// getService answers GET /v1/services/{serviceId}, from the same catalogue that
// payments are checked against.
func (s *Server) getService(c echo.Context) error {
	held, err := s.catalogue.get(c.Request().Context())
	if err != nil {
		return err
	}
	service, known := held.byID[pathParameter(c, "serviceId")]
	if !known {
		return &problem{code: notFound, detail: "the catalogue has no such service", cause: errors.New("unknown service")}
	}
	return writeJSON(c, http.StatusOK, echo.MIMEApplicationJSON, struct {
		processing.Service
		Age int `json:"age"`
	}{service, s.catalogue.age(held)})
}
