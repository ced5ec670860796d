package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tolem/domain"
	"tolem/storage"
)

// incidentRoutes are those of incidents.
func (s *Server) incidentRoutes() []route {
	return []route{
		{http.MethodGet, "/v1/incidents", []role{roleViewer, roleOperator}, incidentParameters, s.listIncidents},
		{http.MethodGet, "/v1/incidents/:id", []role{roleViewer, roleOperator}, nil, s.getIncident},
		{http.MethodGet, "/v1/incidents/:id/actions", []role{roleViewer, roleOperator}, []string{"limit", "cursor"}, s.actions(s.incidentProcess).list},
		{http.MethodPost, "/v1/incidents/:id/acknowledge", []role{roleOperator}, nil, s.actOnIncident(domain.ActionAcknowledge)},
		{http.MethodPost, "/v1/incidents/:id/close", []role{roleOperator}, nil, s.actOnIncident(domain.ActionClose)},
		{http.MethodPost, "/v1/incidents/:id/decline", []role{roleOperator}, nil, s.actOnIncident(domain.ActionDecline)},
	}
}

var noSuchIncident = &problem{code: notFound, detail: "the ledger holds no incident of this id"}

// incidentOfPath reads the incident of the path.
func (s *Server) incidentOfPath(c echo.Context) (storage.Incident, error) {
	id, err := strconv.ParseInt(pathParameter(c, "id"), 10, 64)
	if err != nil || id < 1 {
		return storage.Incident{}, noSuchIncident
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), ledgerLimit)
	defer cancel()
	found, err := s.ledger.Incident(ctx, id)
	if errors.Is(err, storage.ErrNotFound) {
		return found, noSuchIncident
	}
	if err != nil {
		return found, fromLedger(err)
	}
	concerns(c, found.WorkflowID())
	return found, nil
}

// incidentProcess is the name under which the actions on the path's incident are kept.
func (s *Server) incidentProcess(c echo.Context) (string, error) {
	i, err := s.incidentOfPath(c)
	return storage.IncidentProcess(i.ID), err
}

// getIncident answers GET /v1/incidents/{id}: an incident with everything that happened to it.
func (s *Server) getIncident(c echo.Context) error {
	i, err := s.incidentOfPath(c)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, echo.MIMEApplicationJSON, wholeIncident(i))
}

// incidentParameters are those of GET /v1/incidents.
var incidentParameters = []string{"process", "subject", "reason", "state", "acknowledged", "olderThan", "limit", "cursor"}

// listIncidents answers GET /v1/incidents, the newest first.
func (s *Server) listIncidents(c echo.Context) error {
	filter, err := incidentFilter(parameters(c), time.Now())
	if err != nil {
		return err
	}
	return listed(c, func(ctx context.Context, cursor string, limit int) ([]storage.Incident, string, error) {
		return s.ledger.Incidents(ctx, filter, cursor, limit)
	}, incidentSummary)
}

// incidentFilter reads the list's filters. Those that are given must all hold.
func incidentFilter(given url.Values, now time.Time) (f storage.IncidentFilter, err error) {
	if given.Has("process") {
		f.Process = domain.Process(given.Get("process"))
		if !slices.ContainsFunc(domain.Processes(), func(p domain.ProcessStates) bool { return p.Process == f.Process }) {
			return f, badParameter("process", ruleFormat, "must be payment, order, return or payment_order")
		}
	}
	if f.Subject = given.Get("subject"); given.Has("subject") && f.Subject == "" {
		return f, badParameter("subject", ruleRequired, "must not be empty")
	}
	f.Reason = domain.OperatorReason(given.Get("reason"))
	if given.Has("reason") && !f.Reason.Known() {
		return f, badParameter("reason", ruleFormat, "must be a reason of incidents, such as too_old")
	}
	if given.Has("state") {
		open := given.Get("state") == incidentOpen
		if len(given["state"]) > 1 || !open && given.Get("state") != incidentClosed {
			return f, badParameter("state", ruleFormat, "must be open or closed")
		}
		f.Open = &open
	}
	if f.Acknowledged, err = yesNoParameter(given, "acknowledged"); err != nil {
		return f, err
	}
	f.OpenedBefore, err = ago(given, "olderThan", now)
	return f, err
}
