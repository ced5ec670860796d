package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tolem/domain"
	"tolem/storage"
)

// paymentOrderView is a payment order of the card file as it is shown: it names nobody.
type paymentOrderView struct {
	Contract       domain.ContractNumber    `json:"contract_number"`
	State          domain.PaymentOrderState `json:"state"`
	NeedsOperator  bool                     `json:"needs_operator"`
	OperatorReason domain.OperatorReason    `json:"operator_reason,omitempty"`
	Held           bool                     `json:"held,omitempty"`
	CloseUntil     *storage.Timestamp       `json:"close_until,omitempty"` // a second operator may confirm until then
	Request        domain.Reference         `json:"req_referer"`
	Order          domain.Reference         `json:"pt_referer"`
	Currency       string                   `json:"cur"`
	Debt           domain.Money             `json:"debt"` // now
	Amount         domain.Money             `json:"amount"`
	Paid           domain.Money             `json:"paid_amount"`
	OverdueDays    int                      `json:"overdue_days"`
	ReportedOn     string                   `json:"reported_on"`
	ContractDate   string                   `json:"contract_date,omitempty"`
	Dossier        []dossierView            `json:"dossier,omitempty"`
	Attempts       int                      `json:"attempts"`
	Unsent         int64                    `json:"unsent_events,omitempty"` // of the contract; not in lists
	NextAttemptAt  *storage.Timestamp       `json:"next_attempt_at,omitempty"`
	SentAt         *storage.Timestamp       `json:"sent_at,omitempty"`
	EndedAt        *storage.Timestamp       `json:"ended_at,omitempty"`
	CreatedAt      storage.Timestamp        `json:"created_at"`
	UpdatedAt      storage.Timestamp        `json:"updated_at"`
	besideView
}

// dossierView is one part of a dossier; ABS's words may name people and are not shown.
type dossierView struct {
	Part      domain.DossierPart `json:"part"`
	State     domain.PartState   `json:"state"`
	ErrorCode int                `json:"error_code,omitempty"`
	Digest    string             `json:"sha256,omitempty"`
	MediaType string             `json:"media_type,omitempty"`
	Size      int64              `json:"size,omitempty"`
	GotAt     *storage.Timestamp `json:"got_at,omitempty"`
}

func paymentOrderViewOf(o storage.PaymentOrder) paymentOrderView {
	v := paymentOrderView{
		Contract: o.Contract, State: o.State, NeedsOperator: o.NeedsOperator, Held: o.Held, CloseUntil: o.CloseUntil, Request: o.RequestRef, Order: o.OrderRef,
		Currency: o.Currency, Debt: o.DebtNow(), Amount: o.Amount, Paid: o.Paid, OverdueDays: o.OverdueDays, ReportedOn: o.ReportedOn,
		ContractDate: o.ContractDate, Attempts: o.Attempts, NextAttemptAt: o.NextAttemptAt, SentAt: o.SentAt, EndedAt: o.EndedAt,
		CreatedAt: o.CreatedAt, UpdatedAt: o.UpdatedAt,
	}
	if o.NeedsOperator {
		v.OperatorReason = o.OperatorReason
	}
	return v
}

var noSuchContract = &problem{code: notFound, detail: "the ledger holds no payment order of this contract"}

// paymentOrderOfPath reads the last payment order of the path's contract.
func (s *Server) paymentOrderOfPath(c echo.Context) (storage.PaymentOrder, error) {
	contract, err := domain.ParseContractNumber(pathParameter(c, "contract"))
	if err != nil {
		return storage.PaymentOrder{}, noSuchContract
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), ledgerLimit)
	defer cancel()
	o, err := s.ledger.PaymentOrder(ctx, contract)
	if errors.Is(err, storage.ErrNotFound) {
		return o, noSuchContract
	}
	if err != nil {
		return o, fromLedger(err)
	}
	concerns(c, o.Contract.WorkflowID())
	return o, nil
}

// contractProcess is the process of the path's contract.
func (s *Server) contractProcess(c echo.Context) (string, error) {
	o, err := s.paymentOrderOfPath(c)
	return o.Contract.WorkflowID(), err
}

// contractCalls lists a contract's calls. The code is ABS's and not the processing centre's,
// and ABS's words may name people: neither has a text here.
func (s *Server) contractCalls() rows[string, storage.Attempt, attemptView] {
	calls := s.attempts(s.contractProcess)
	calls.view = func(a storage.Attempt) attemptView {
		v := attemptOf(a)
		if a.ResultCode != nil {
			v.ResultText, v.ResultMessage = "", ""
		}
		return v
	}
	return calls
}

// getPaymentOrder answers GET /v1/payment-orders/{contract}: the contract's last payment
// order with its dossier, from the ledger.
func (s *Server) getPaymentOrder(c echo.Context) error {
	o, err := s.paymentOrderOfPath(c)
	if err != nil {
		return err
	}
	view, err := s.withDossier(c.Request().Context(), o)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, echo.MIMEApplicationJSON, view)
}

func (s *Server) withDossier(ctx context.Context, o storage.PaymentOrder) (paymentOrderView, error) {
	ctx, cancel := context.WithTimeout(ctx, ledgerLimit)
	defer cancel()
	parts, err := s.ledger.Dossier(ctx, o.ID)
	if err != nil {
		return paymentOrderView{}, fromLedger(err)
	}
	view := paymentOrderViewOf(o)
	if view.besideView, err = s.beside(ctx, flagsOfPaymentOrder(o)); err != nil {
		return view, err
	}
	if view.Unsent, err = s.ledger.UnsentEvents(ctx, o.Contract); err != nil {
		return paymentOrderView{}, fromLedger(err)
	}
	for _, p := range parts {
		view.Dossier = append(view.Dossier, dossierView{p.Part, p.State, p.ErrorCode, p.Digest, p.MediaType, p.Size, p.GotAt})
	}
	return view, nil
}

// paymentOrderParameters are those of GET /v1/payment-orders.
var paymentOrderParameters = []string{"state", "needs_operator", "held", "olderThan", "stuck", "createdAfter", "createdBefore", "limit", "cursor"}

// listPaymentOrders answers GET /v1/payment-orders, the newest first.
func (s *Server) listPaymentOrders(c echo.Context) error {
	filter, err := paymentOrderFilter(parameters(c), time.Now())
	if err != nil {
		return err
	}
	return listed(c, func(ctx context.Context, cursor string, limit int) ([]storage.PaymentOrder, string, error) {
		return s.ledger.PaymentOrders(ctx, filter, cursor, limit)
	}, paymentOrderViewOf)
}

func paymentOrderFilter(given url.Values, now time.Time) (f storage.PaymentOrderFilter, err error) {
	for _, text := range given["state"] {
		for _, name := range strings.Split(text, ",") {
			state := domain.PaymentOrderState(name)
			if !state.Known() {
				return f, badParameter("state", ruleFormat, "must be states of a payment order, separated by commas")
			}
			f.States = append(f.States, state)
		}
	}
	for name, into := range map[string]**bool{"needs_operator": &f.NeedsOperator, "held": &f.Held} {
		if *into, err = yesNoParameter(given, name); err != nil {
			return f, err
		}
	}
	if f.StuckSince, err = ago(given, "stuck", now); err != nil {
		return f, err
	}
	f.CreatedAfter, f.CreatedBefore, err = age(given, now)
	return f, err
}

// eventView is one status of a contract as it came, and what Loxon was told.
type eventView struct {
	ID            int64                     `json:"id"`
	Status        domain.PaymentOrderStatus `json:"status"`
	Verdict       domain.StatusVerdict      `json:"verdict"`
	State         domain.PaymentOrderState  `json:"state_after"`
	EventAt       storage.Timestamp         `json:"event_date"`
	ReceivedAt    storage.Timestamp         `json:"received_at"`
	PaidIncrement domain.Money              `json:"paid_increment"`
	Refuse        domain.Reference          `json:"refuse_referer,omitempty"`
	Seq           *int64                    `json:"event_seq,omitempty"`
	Debt          *domain.Money             `json:"debt,omitempty"` // these three as they are told
	Amount        *domain.Money             `json:"amount,omitempty"`
	Paid          *domain.Money             `json:"paid_amount,omitempty"`
	Told          *toldView                 `json:"told,omitempty"`
	SetAside      *setAsideView             `json:"set_aside,omitempty"`
	Skipped       string                    `json:"skipped_seqs,omitempty"` // set aside directly before it, as its header names them
}

// setAsideView is that an event is never published, or that somebody wants that.
type setAsideView struct {
	Until  *storage.Timestamp `json:"until,omitempty"`     // a second operator may confirm until then
	Absent *storage.Timestamp `json:"absent_at,omitempty"` // when Loxon's topic, read to its end, did not hold it
	At     *storage.Timestamp `json:"at,omitempty"`        // two operators did
}

// toldView is where the broker keeps an event.
type toldView struct {
	Topic     string            `json:"topic"`
	Partition int               `json:"partition"`
	Offset    int64             `json:"offset"`
	At        storage.Timestamp `json:"at"`
}

func eventViewOf(e storage.PaymentOrderEvent) eventView {
	v := eventView{
		ID: e.ID, Status: e.Status, Verdict: e.Verdict, State: e.StateAfter, EventAt: e.EventAt, ReceivedAt: e.ReceivedAt,
		PaidIncrement: e.PaidIncrement, Refuse: e.RefuseRef, Seq: e.Seq, Skipped: e.SkippedSeqs,
	}
	if e.Seq != nil {
		v.Debt, v.Amount, v.Paid = &e.Debt, &e.Amount, &e.Paid
	}
	if e.ToldAt != nil {
		v.Told = &toldView{e.Topic, e.TopicPartition, e.TopicOffset, *e.ToldAt}
	}
	if e.AsideUntil != nil || e.SetAsideAt != nil {
		v.SetAside = &setAsideView{Until: e.AsideUntil, Absent: e.AbsentAt, At: e.SetAsideAt}
	}
	return v
}

// paymentOrderEvents lists what came and was told, in the order of arrival, of all payment
// orders that the contract ever had.
func (s *Server) paymentOrderEvents() rows[domain.ContractNumber, storage.PaymentOrderEvent, eventView] {
	return rows[domain.ContractNumber, storage.PaymentOrderEvent, eventView]{
		of: func(c echo.Context) (domain.ContractNumber, error) {
			o, err := s.paymentOrderOfPath(c)
			return o.Contract, err
		},
		read: s.ledger.PaymentOrderEvents, id: func(e storage.PaymentOrderEvent) int64 { return e.ID }, view: eventViewOf,
	}
}

// collectionRoutes are the routes of the card file: K2's own and those of its payment orders.
func (s *Server) collectionRoutes() []route {
	cardFile := []role{roleK2, roleViewer, roleOperator}
	return []route{
		{http.MethodPost, "/restapi/services/k2loan_from_eko", []role{roleK2}, nil, s.takeLoans},
		{http.MethodPost, "/restapi/services/k2req_status_from_eko", []role{roleK2}, nil, s.takeStatus},
		{http.MethodGet, "/v1/payment-orders", cardFile, paymentOrderParameters, s.listPaymentOrders},
		{http.MethodGet, "/v1/payment-orders/:contract", cardFile, nil, s.getPaymentOrder},
		{http.MethodGet, "/v1/payment-orders/:contract/events", cardFile, []string{"limit", "cursor"}, s.paymentOrderEvents().list},
		{http.MethodPost, "/v1/payment-orders/:contract/events", []role{roleK2}, nil, s.reportStatus},
		{http.MethodGet, "/v1/payment-orders/:contract/attempts", cardFile, []string{"limit", "cursor"}, s.contractCalls().list},
		{http.MethodGet, "/v1/payment-orders/:contract/actions", []role{roleViewer, roleOperator}, []string{"limit", "cursor"}, s.actions(s.contractProcess).list},
		{http.MethodPost, "/v1/payment-orders/:contract/retry", []role{roleOperator}, nil, s.actOnPaymentOrder(domain.ActionRetry)},
		{http.MethodPost, "/v1/payment-orders/:contract/hold", []role{roleOperator}, nil, s.actOnPaymentOrder(domain.ActionHold)},
		{http.MethodPost, "/v1/payment-orders/:contract/release", []role{roleOperator}, nil, s.actOnPaymentOrder(domain.ActionRelease)},
		{http.MethodPost, "/v1/payment-orders/:contract/close", []role{roleOperator}, nil, s.actOnPaymentOrder(domain.ActionClose)},
		{http.MethodPost, "/v1/payment-orders/:contract/decline", []role{roleOperator}, nil, s.actOnPaymentOrder(domain.ActionDecline)},
		{http.MethodPost, "/v1/payment-orders/:contract/events/:event/set-aside", []role{roleOperator}, nil, s.actOnPaymentOrder(domain.ActionSetAside)},
	}
}
