package api

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"tolem/domain"
	"tolem/storage"
)

// orderView is an instalment order as the API shows it, in the partner's spelling.
//
// client_phone is not shown: the till sent it, nobody needs it to follow an order, and
// every answer without it is one less place where it leaks.
type orderView struct {
	StoreOrderID   domain.StoreOrderID   `json:"store_order_id"`
	State          domain.OrderState     `json:"state"`
	Message        string                `json:"message"` // for the cashier
	NeedsOperator  bool                  `json:"needs_operator"`
	OperatorReason domain.OperatorReason `json:"operator_reason,omitempty"`
	Held           bool                  `json:"held,omitempty"`
	Proposed       *twoPeopleView        `json:"proposed,omitempty"`
	Resolved       bool                  `json:"resolved,omitempty"` // two people said how it ended
	TotalSum       domain.Money          `json:"total_sum"`
	orderTerms
	OrderID         string        `json:"order_id,omitempty"` // the bank's
	BankState       string        `json:"bank_state,omitempty"`
	BankSubState    string        `json:"bank_sub_state,omitempty"`
	Contract        *contractView `json:"contract,omitempty"`
	Decision        *decisionView `json:"decision,omitempty"`
	Failure         *failureView  `json:"failure,omitempty"`
	ReturnedSum     domain.Money  `json:"returned_sum"`
	CanReturnToCard *bool         `json:"can_return_to_card,omitempty"`
	Attempts        int           `json:"attempts"`
	NextAttemptAt   *time.Time    `json:"next_attempt_at,omitempty"`
	CreatedAt       time.Time     `json:"created_at"`
	UpdatedAt       time.Time     `json:"updated_at"`
	besideView
}

// twoPeopleView is a first operator's word on how a process ended, which waits for a
// second one's.
type twoPeopleView struct {
	Outcome string    `json:"outcome"`
	By      string    `json:"by"` // the token's name
	Until   time.Time `json:"until"`
}

func twoPeople(r storage.Resolution, now time.Time) *twoPeopleView {
	if r.Live(now) == "" {
		return nil
	}
	return &twoPeopleView{r.Proposed, r.ProposedBy, r.ProposedUntil.Time}
}

// contractView is the client's credit contract at the bank.
type contractView struct {
	Number string `json:"number"`
	Date   string `json:"date,omitempty"`
}

// decisionView is the store's decision: taken once.
type decisionView struct {
	Decision domain.Decision `json:"decision"`
	By       string          `json:"by"` // the token's name
	At       time.Time       `json:"at"`
}

// failureView is why an order failed, and whether the purchase may be tried again.
type failureView struct {
	Reason string `json:"reason"` // the bank's sub-state, or a word of ours
	// Again is whether the same purchase may be sent again, with a new store_order_id;
	// AgainAt is from when.
	Again   bool       `json:"again"`
	AgainAt *time.Time `json:"again_at,omitempty"`
}

// shown is an order in the caller's language.
func (s *Server) shown(c echo.Context, o storage.InstalmentOrder) orderView {
	now := time.Now()
	v := orderView{
		StoreOrderID: o.ID, State: o.State, Message: s.speak(c).ofOrder(o, now), NeedsOperator: o.NeedsOperator, Held: o.Held,
		TotalSum: o.TotalSum, OrderID: o.BankOrderID, BankState: o.Bank.State, BankSubState: o.Bank.SubState,
		Proposed: twoPeople(o.Resolution, now), Resolved: o.ResolvedAction != nil,
		ReturnedSum: o.ReturnedSum, CanReturnToCard: o.ToCard, Attempts: o.Attempts, CreatedAt: o.CreatedAt.Time, UpdatedAt: o.UpdatedAt.Time,
	}
	if o.NeedsOperator {
		v.OperatorReason = o.OperatorReason
	}
	if err := json.Unmarshal([]byte(o.Request), &v.orderTerms); err != nil {
		// The order's state matters more than what was bought.
		v.orderTerms = orderTerms{}
		slog.Error("stored request is unreadable", "process", o.ID.WorkflowID())
	}
	if o.ContractNumber != "" {
		v.Contract = &contractView{o.ContractNumber, o.ContractDate}
	}
	if o.Decision != "" && o.DecidedAt != nil {
		v.Decision = &decisionView{o.Decision, o.DecidedBy, o.DecidedAt.Time}
	}
	if o.NextAttemptAt != nil {
		v.NextAttemptAt = &o.NextAttemptAt.Time
	}
	if o.State == domain.OrderFailed {
		again, left := againIn(o, now)
		v.Failure = &failureView{Reason: o.FailReason, Again: again.Possible}
		if again.Possible && left > 0 {
			at := now.Add(left).UTC().Truncate(time.Second)
			v.Failure.AgainAt = &at
		}
	}
	return v
}

// speak chooses the language of an answer and names it.
func (s *Server) speak(c echo.Context) words {
	w := s.dictionary.spoken(c.Request().Header.Get("Accept-Language"))
	h := c.Response().Header()
	h.Set("Content-Language", w.tag.String())
	h.Set(echo.HeaderVary, "Accept-Language")
	return w
}

// returnView is a return of goods as the API shows it.
type returnView struct {
	StoreOrderID      domain.StoreOrderID   `json:"store_order_id"`
	StoreReturnID     domain.StoreReturnID  `json:"store_return_id"`
	State             domain.ReturnState    `json:"state"`
	Message           string                `json:"message"`
	NeedsOperator     bool                  `json:"needs_operator"`
	OperatorReason    domain.OperatorReason `json:"operator_reason,omitempty"`
	Held              bool                  `json:"held,omitempty"`
	Proposed          *twoPeopleView        `json:"proposed,omitempty"`
	Resolved          bool                  `json:"resolved,omitempty"`
	Sum               domain.Money          `json:"sum"`
	ReturnMoneyToCard bool                  `json:"return_money_to_card"`
	BankMessage       string                `json:"bank_message,omitempty"` // why the bank refused
	Attempts          int                   `json:"attempts"`
	NextAttemptAt     *time.Time            `json:"next_attempt_at,omitempty"`
	CreatedAt         time.Time             `json:"created_at"`
	UpdatedAt         time.Time             `json:"updated_at"`
	besideView
}

func (s *Server) shownReturn(c echo.Context, r storage.OrderReturn, beside besides) returnView {
	v := returnView{
		besideView:   beside.of(string(r.OrderID), string(r.ID)),
		StoreOrderID: r.OrderID, StoreReturnID: r.ID, State: r.State, Message: s.speak(c).text["return."+string(r.State)],
		NeedsOperator: r.NeedsOperator, Sum: r.Sum, ReturnMoneyToCard: r.ToCard, BankMessage: r.BankMessage, Attempts: r.Attempts,
		Held: r.Held, Proposed: twoPeople(r.Resolution, time.Now()), Resolved: r.ResolvedAction != nil,
		CreatedAt: r.CreatedAt.Time, UpdatedAt: r.UpdatedAt.Time,
	}
	if r.NeedsOperator {
		v.OperatorReason = r.OperatorReason
	}
	if r.NextAttemptAt != nil {
		v.NextAttemptAt = &r.NextAttemptAt.Time
	}
	return v
}

// wholeReturn is everything that the API shows of a return.
func (s *Server) wholeReturn(c echo.Context, r storage.OrderReturn) (returnView, error) {
	beside, err := s.besideReturns(c.Request().Context(), r.OrderID, []storage.OrderReturn{r})
	return s.shownReturn(c, r, beside), err
}

// wholeOrder is everything that the API shows of an order.
func (s *Server) wholeOrder(c echo.Context, o storage.InstalmentOrder) (v orderView, err error) {
	v = s.shown(c, o)
	v.besideView, err = s.beside(c.Request().Context(), flagsOfOrder(o))
	return v, err
}

// writeOrder answers with an order.
func (s *Server) writeOrder(c echo.Context, status int, o storage.InstalmentOrder) error {
	view, err := s.wholeOrder(c, o)
	if err != nil {
		return err
	}
	return writeJSON(c, status, echo.MIMEApplicationJSON, view)
}

// statusOf is that of an answer about a process that is under way, or not.
func statusOf(underWay bool, through int) int {
	if underWay {
		return http.StatusAccepted
	}
	return through
}
