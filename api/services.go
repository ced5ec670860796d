package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"tolem/partners/processing"
)

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
	held.check(r, wrong)
	return nil
}

// check adds what the request's service forbids in this catalogue. A request
// without a readable serviceId is left alone. It adds, too, what nobody sees in an account: a
// repetition of what was accepted before that rule has to find its payment, as it has when the
// catalogue changed.
func (h *heldCatalogue) check(r paymentRequest, wrong *fieldErrors) {
	r.checkVisible(wrong)
	service, known := h.byID[r.ServiceID]
	switch {
	case known:
		r.checkService(service, wrong)
	case r.ServiceID != "":
		wrong.add("serviceId", ruleUnknownService, "is not in the catalogue; GET /v1/services lists what is")
	}
}

// serviceList is the answer to GET /v1/services.
type serviceList struct {
	Items  []serviceView `json:"items"`
	Broken int           `json:"broken,omitempty"` // entries left out because they cannot be read
	catalogueAgeView
}

// serviceView is a service as the API shows it.
type serviceView struct {
	processing.Service
	Problems []serviceProblem `json:"problems,omitempty"`
}

// serviceProblem is what keeps us from checking an input: payments that give it
// are refused.
type serviceProblem struct {
	Field   string `json:"field"` // as in the problem of a payment: account, extras.account1
	Problem string `json:"problem"`
}

// problemPattern is the only problem of a service.
const problemPattern = "pattern does not compile"

// catalogueAgeView says how old a catalogue is.
type catalogueAgeView struct {
	Age       int       `json:"age"` // whole seconds since the centre told it
	FetchedAt time.Time `json:"fetchedAt"`
}

// age is that of a catalogue; never below 0, whoever's clock it came from.
func (c *catalogue) age(held *heldCatalogue) catalogueAgeView {
	return catalogueAgeView{Age: max(0, int(c.now().Sub(held.at)/time.Second)), FetchedAt: held.at}
}

func viewOf(service processing.Service) serviceView {
	v := serviceView{Service: service}
	for _, p := range service.BrokenPatterns() {
		v.Problems = append(v.Problems, serviceProblem{Field: p.Field, Problem: problemPattern})
	}
	return v
}

// listServices answers GET /v1/services; refresh=true asks the centre first.
func (s *Server) listServices(c echo.Context) error {
	ctx, catalogueOf := c.Request().Context(), s.catalogue.get
	if given := parameters(c); given.Has("refresh") {
		switch given.Get("refresh") {
		case "true":
			catalogueOf = s.catalogue.refresh
		case "false":
		default:
			return badParameter("refresh", ruleFormat, "must be true or false")
		}
	}
	held, err := catalogueOf(ctx)
	if err != nil {
		return err
	}
	answer := serviceList{Items: make([]serviceView, 0, len(held.Services)), Broken: held.Broken, catalogueAgeView: s.catalogue.age(held)}
	for _, service := range held.Services {
		answer.Items = append(answer.Items, viewOf(service))
	}
	return writeJSON(c, http.StatusOK, echo.MIMEApplicationJSON, answer)
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
		serviceView
		catalogueAgeView
	}{viewOf(service), s.catalogue.age(held)})
}
