package activities

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"tolem/domain"
	"tolem/partners/abs"
	"tolem/partners/call"
	"tolem/partners/loxon"
	"tolem/storage"
	"tolem/storage/files"
)

// Collection gathers what a payment order of the card file needs from the core banking
// system, and tells Loxon of it.
type Collection struct {
	Ledger *storage.Ledger
	ABS    *abs.Client
	Files  *files.Store
	Loxon  *loxon.Producer
	Topic  string         // Loxon's
	BIC    string         // the bank's, for events that bring none
	Zone   *time.Location // of dates that we tell
	// GuessDate takes the day of receipt for a contract whose date nobody told; otherwise an
	// operator is asked for it.
	GuessDate bool
	Metrics   *Metrics
}

// CollectionInput orders something for a contract. It names nobody.
type CollectionInput struct {
	Contract domain.ContractNumber `json:"contract"`
	Step     int                   `json:"step"`
	Cause    domain.Cause          `json:"cause"`
	NextWait time.Duration         `json:"nextWait,omitempty"` // if something stays missing
	Reason   domain.OperatorReason `json:"reason,omitempty"`   // of FlagContract
}

// CollectionStanding is where a contract stands: ids, states and numbers only.
type CollectionStanding struct {
	OrderID     int64                    `json:"orderId"`
	State       domain.PaymentOrderState `json:"state"`
	Sent        bool                     `json:"sent,omitempty"`
	Held        bool                     `json:"held,omitempty"`
	Reason      domain.OperatorReason    `json:"reason,omitempty"` // "" when no operator is needed
	Missing     int                      `json:"missing,omitempty"`
	Blocked     int                      `json:"blocked,omitempty"` // parts that an operator has to help with
	Undated     bool                     `json:"undated,omitempty"` // the contract's day is missing
	Untold      int64                    `json:"untold,omitempty"`
	UntoldSince *time.Time               `json:"untoldSince,omitempty"`
	// Raised are the reasons of the contract's open incidents; none in results from before
	// incidents were kept, which have Reason alone.
	Raised []domain.OperatorReason `json:"raised,omitempty"`
	// LateAfterEnd says that an event of an ended payment order is unsent, and is late as any
	// other. Results from before say nothing of it.
	LateAfterEnd bool `json:"lateAfterEnd,omitempty"`
	// AsideUntil is set while the oldest unsent event waits for a second operator to set it
	// aside: nothing is sent until then.
	AsideUntil *time.Time `json:"asideUntil,omitempty"`
	SeekAt     *time.Time `json:"seekAt,omitempty"` // from when on Loxon's topic is to be read for it
	Began      time.Time  `json:"began"`
	Attempts   int        `json:"attempts"`
	Failure    string     `json:"failure,omitempty"` // of the last call made here; "" when all were answered
	// RetryAfter is the longest that ABS asks to wait; it lengthens the next wait.
	RetryAfter time.Duration `json:"retryAfter,omitempty"`
}

// ReadContract says where the contract stands. It fails only when the ledger does.
func (c *Collection) ReadContract(ctx context.Context, in CollectionInput) (CollectionStanding, error) {
	return c.standing(ctx, in.Contract, "")
}

func (c *Collection) standing(ctx context.Context, contract domain.ContractNumber, failure string) (CollectionStanding, error) {
	s, err := c.Ledger.Standing(ctx, contract)
	if err != nil {
		return CollectionStanding{}, final(err)
	}
	o := s.Order
	now := CollectionStanding{
		OrderID: o.ID, State: o.State, Sent: o.SentAt != nil, Held: o.Held, Missing: s.Missing, Blocked: s.Refused, Untold: s.Untold,
		Began: o.CreatedAt.Time, Attempts: o.Attempts, Failure: failure,
		Raised: s.Raised, LateAfterEnd: o.State.Terminal() && s.Untold > 0, SeekAt: s.SeekAt,
	}
	if s.AsideUntil != nil {
		now.AsideUntil = &s.AsideUntil.Time
	}
	if o.NeedsOperator {
		now.Reason = o.OperatorReason
	}
	if s.UntoldSince != nil {
		now.UntoldSince = &s.UntoldSince.Time
	}
	if o.ContractDate == "" && !c.GuessDate && !now.Sent {
		for _, p := range s.Parts {
			if dated(p.Part) && p.State == domain.PartMissing {
				now.Missing, now.Blocked, now.Undated = now.Missing-1, now.Blocked+1, true
			}
		}
	}
	return now, nil
}

// dated says that a part is asked for by the contract's day.
func dated(part domain.DossierPart) bool {
	return part == domain.PartStatement || part == domain.PartScan
}

// SendRequest stores "request was sent", once the dossier is complete. Idempotent on the
// payment order; it fails only when the ledger does.
func (c *Collection) SendRequest(ctx context.Context, in CollectionInput) (CollectionStanding, error) {
	o, err := c.Ledger.PaymentOrder(ctx, in.Contract)
	if err != nil {
		return CollectionStanding{}, final(err)
	}
	_, err = c.Ledger.SendRequest(storage.WithTraceparent(ctx, loxon.Traceparent(ctx)), in.Contract, o.ID, time.Now())
	if err != nil && !errors.Is(err, storage.ErrDossier) { // somebody asked for a part again meanwhile
		return CollectionStanding{}, err
	}
	return c.standing(ctx, in.Contract, "")
}

// FlagContract has a person look at the contract, and journals why. It may run twice; it fails
// only when the ledger does.
func (c *Collection) FlagContract(ctx context.Context, in CollectionInput) (CollectionStanding, error) {
	if err := checkReason(in.Reason); err != nil {
		return CollectionStanding{}, err
	}
	o, err := c.Ledger.PaymentOrder(ctx, in.Contract)
	if err != nil {
		return CollectionStanding{}, final(err)
	}
	slog.ErrorContext(ctx, "payment order needs an operator", "process", in.Contract.WorkflowID(), "reason", in.Reason)
	if err := c.Ledger.FlagPaymentOrder(ctx, in.Contract, o.ID, in.Reason, execution(ctx)); err != nil {
		return CollectionStanding{}, err
	}
	return c.standing(ctx, in.Contract, "")
}

// maxTold is how many events one TellLoxon tells; more follow in the next.
const maxTold = 20

// TellLoxon tells Loxon of the contract's untold events, one after the other in their order,
// until one fails or none is left. Each is journalled before its first byte and recorded
// after the broker has it; a repetition has the same id and bytes, and all have the partition
// of the first. Nothing is sent to a topic that was recreated or shrunk: a person is asked to
// look. It fails only when the ledger does.
func (c *Collection) TellLoxon(ctx context.Context, in CollectionInput) (CollectionStanding, error) {
	to, err := c.destination(ctx, in.Contract)
	if err != nil {
		return CollectionStanding{}, final(err)
	}
	if to.changed {
		return c.standing(ctx, in.Contract, loxon.ReasonTopicChanged)
	}
	for range maxTold {
		made := storage.Call{Process: in.Contract.WorkflowID(), Name: storage.CallTell, Step: in.Step, Cause: in.Cause, Execution: execution(ctx), At: time.Now()}
		told, err := c.Ledger.BeginTelling(ctx, in.Contract, made, Encoder(c.BIC, c.Zone))
		if err != nil {
			return CollectionStanding{}, final(err)
		}
		if told.Rejected != "" {
			return c.standing(ctx, in.Contract, c.rejected(ctx, made.Process, told))
		}
		if !told.OK {
			break
		}
		made.Attempt, made.Body, made.EventID = told.Attempt, told.Event.Message, told.Event.ID
		failure, err := c.tell(ctx, to, told, made)
		if err != nil {
			return CollectionStanding{}, err
		}
		if failure != "" {
			within, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordLimit)
			defer cancel()
			return c.standing(within, in.Contract, failure)
		}
	}
	return c.standing(ctx, in.Contract, "")
}

// Encoder makes the messages of events: bic is the bank's, for those that bring none, and zone
// that of the dates. Whoever stores an event checks by it that Loxon can be told.
func Encoder(bic string, zone *time.Location) storage.Encoder {
	return func(e storage.PaymentOrderEvent, o storage.PaymentOrder) ([]byte, error) {
		return loxon.Encode(loxon.Event{
			At: e.EventAt.In(zone), BIC: cmp.Or(e.BIC, bic), OrderReference: string(o.OrderRef), RefuseReference: string(e.RefuseRef), RequestReference: string(o.RequestRef),
			Contract: string(o.Contract), Debt: e.Debt, Amount: e.Amount, Paid: e.Paid, Status: e.Status,
		})
	}
}

// rejected notes an event that no message can carry. Nothing was sent, and it blocks those
// behind it: people see its incident, and may set it aside.
func (c *Collection) rejected(ctx context.Context, process string, told storage.Told) (failure string) {
	slog.ErrorContext(ctx, "event cannot be published", "process", process, "seq", *told.Event.Seq, "error", told.Rejected)
	c.Metrics.attempt(loxon.Partner, storage.CallTell, storage.Outcome{Kind: string(domain.Invalid), Failure: loxon.ReasonInvalid})
	return loxon.ReasonInvalid
}

// tell sends one event and records what became of it.
func (c *Collection) tell(ctx context.Context, to destination, told storage.Told, made storage.Call) (failure string, err error) {
	seq, contract := *told.Event.Seq, told.Event.Contract
	receipt, sendErr := loxon.Receipt{}, to.unknown
	if sendErr == nil {
		receipt, sendErr = c.Loxon.Send(numbered(ctx, made), loxon.Message{
			Key: string(contract), Partition: &to.partition, Value: told.Event.Message, EventID: eventID(contract, seq), Seq: seq,
			ProcessID: contract.WorkflowID(), Traceparent: told.Event.Traceparent, Skipped: told.Event.SkippedSeqs,
		})
	}
	t := storage.Telling{Contract: contract, Told: told, Call: made, Outcome: storage.Outcome{Kind: storage.Answered, Duration: time.Since(made.At), Message: string(told.Event.Status)}}
	var failed *loxon.Failure
	switch {
	case sendErr == nil:
		t.Place = &storage.Place{Topic: c.Topic, Partition: receipt.Partition, Offset: receipt.Offset}
	case errors.As(sendErr, &failed):
		t.Outcome.Kind, t.Outcome.Failure = string(domain.Unknown), failed.Reason
		if failed.Final {
			t.Outcome.Kind, t.Reason = string(domain.Invalid), domain.ReasonEventRejected
		}
	default:
		t.Outcome.Kind, t.Outcome.Failure = string(domain.Unknown), "unclassified"
	}
	slog.InfoContext(ctx, "event told", "process", made.Process, "seq", seq, "attempt", made.Attempt, "outcome", t.Outcome.Kind, "failure", t.Outcome.Failure)
	c.Metrics.attempt(loxon.Partner, made.Name, t.Outcome)
	if t.Place != nil {
		c.Metrics.sent(told.Event.Status)
	}
	note(ctx, made, t.Outcome)
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordLimit)
	defer cancel()
	return t.Outcome.Failure, c.Ledger.RecordTelling(within, t)
}

// eventID is the header event-id: the contract and the event's number of it.
func eventID(contract domain.ContractNumber, seq int64) string {
	return string(contract) + "/" + strconv.FormatInt(seq, 10)
}

// askedOutcome is the outcome of a question to ABS.
func askedOutcome(err error, said abs.Said) storage.Outcome {
	var failure *call.Failure
	switch {
	case err == nil && said.Refused():
		code := domain.Code(said.ErrorCode)
		return storage.Outcome{Kind: storage.Answered, Code: &code, Message: said.ErrorText, Failure: "refused", Dropped: said.Dropped}
	case err == nil:
		return storage.Outcome{Kind: storage.Answered, Dropped: said.Dropped}
	case errors.As(err, &failure):
		return storage.Outcome{Kind: string(failure.Kind), Failure: failure.Reason, HTTPStatus: failure.Status,
			Field: failure.Field, Unreadable: failure.Unreadable(), RetryAfter: failure.RetryAfter}
	}
	return storage.Outcome{Kind: string(domain.Unknown), Failure: "unclassified"}
}
