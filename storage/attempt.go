package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"strings"
	"time"

	"gorm.io/gorm"

	"tolem/domain"
)

// Call is one HTTP call to a partner as the journal keeps it, before its outcome.
type Call struct {
	Process   string // workflow id
	Name      string // check | pay
	Step      int    // the workflow's step that this call is
	Attempt   int    // the payment's how-manieth call, from 1
	Execution string // the workflow's run id
	Cause     domain.Cause
	Waited    time.Duration // the scheduled wait before it; 0 for other causes
	At        time.Time
	Body      []byte // only its SHA-256 is kept
	EventID   int64  // the contract's event that it publishes; 0 for other calls
}

// Outcome is what a call brought back.
type Outcome struct {
	Duration   time.Duration
	Kind       string        // answered, or a domain.Kind
	Failure    string        // the client's stable word for a failure; "" when answered
	Field      string        // of an answer that could not be read: the first that failed, as stmt[0].amount
	Dropped    string        // names of fields that decide nothing and could not be read, with commas between them
	Unreadable bool          // a whole answer came, and its content failed
	RetryAfter time.Duration // the partner asks to wait so long; not journalled
	HTTPStatus int           // 0 when none came
	Code       *domain.Code
	Message    string // the partner's text; may name the payer, stays in the ledger
	TraceID    string // the partner's own name of the call; "" when it gives none
}

// FailureText is how the journal has a failure: its word, and the field if there is one.
func (o Outcome) FailureText() string { return strings.TrimSpace(o.Failure + " " + o.Field) }

// Answered is the Kind of an outcome that carries a result code.
const Answered = "answered"

// After is what follows an attempt: the state it leads to, and when the next
// attempt is due if none of this was final.
type After struct {
	State          domain.State
	OperatorReason domain.OperatorReason // "" leaves the flag as it is
	// PaymentCode is the answer's code if it spoke of the payment itself; nil leaves it.
	PaymentCode   *domain.Code
	HeldID        bool  // the centre holds this id since before a pay of ours; false leaves it
	TransactionID int64 // 0 leaves it as it is
	// TransactionDate and StatusDate come with a successful pay.
	TransactionDate, StatusDate string
	Waits                       int           // scheduled waits including the coming one
	NextWait                    time.Duration // 0 when no attempt follows
}

// CheckRecord is everything one attempt of check commits.
type CheckRecord struct {
	Call    Call
	Outcome Outcome
	After   After
	Answer  string          // JSON of the reply for the caller; "" keeps what is there
	Asks    domain.Question // why the payer is asked; "" when not
	// PayerUntil is how long the payer may decide; zero when not asked.
	PayerUntil time.Time
	// Pay is set when the payment goes on to pay at once: the same transaction
	// then commits the intent and the started row of the first pay.
	Pay *PayIntent
}

// PayIntent is the commitment to send exactly these bytes.
type PayIntent struct {
	Body       []byte
	AmountTo   domain.Money
	AmountFrom domain.Money
	Step       int // the step of the first pay
	At         time.Time
}

// RecordCheck commits an attempt of check: its journal row, the answer, the new
// state and, with an intent, the bytes of pay, pay_sent_at and the started row
// of its first attempt, all or nothing.
//
// changed is false when the payment had been paid, ended or moved on meanwhile;
// then only the journal row is written (the call was made). started is the
// journal id of the first pay's started row; 0 without one, and when somebody stopped the
// payment while the call was under way: then the answer is kept, the state stays checking,
// and CommitIntent follows when the payment is released.
func (l *Ledger) RecordCheck(ctx context.Context, r CheckRecord) (changed bool, started int64, err error) {
	id, err := domain.PaymentOf(r.Call.Process)
	if err != nil {
		return false, 0, err
	}
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		intended := false
		if changed, intended, err = r.write(tx, id); err != nil {
			return err
		}
		rows := []journalRow{r.Call.row(phaseCall)}
		r.Outcome.fill(&rows[0])
		if intended {
			rows = append(rows, r.Pay.started(r.Call.Process, r.Call.Attempt+1, r.Call.Execution))
		}
		if err := tx.Create(&rows).Error; err != nil {
			return err
		}
		if intended {
			started = rows[1].ID
		}
		if !changed {
			return nil
		}
		return r.After.raise(tx, id, r.Outcome.evidence(r.Call.Name))
	})
	if err != nil {
		return false, 0, fmt.Errorf("record check of %s: %w", r.Call.Process, err)
	}
	return changed, started, nil
}

// write writes the state that a check led to, with the intent to pay if there is one and
// nobody stopped the payment.
//
// A hold is two steps: the action's row, then "held" on the payment when the workflow has
// heard of it, which it cannot while this check runs. So both are looked at by the very
// statement that would commit the intent:
//   - the action's row committed before it: no intent. The workflow hears of the hold when
//     the check has returned, and it is answered held with nothing sent;
//   - after it: the intent was there first, and the hold finds the payment paying;
//   - an earlier hold whose update was lost leaves its row without effect for ever: the
//     intent is then CommitIntent's, a step later, and nothing more.
//
// A release between the two statements here leaves the answer without its intent, which
// the workflow then commits. cancel is looked for as hold is: it is answered cancelled.
func (r CheckRecord) write(tx *gorm.DB, id domain.AgentTransactionID) (changed, intended bool, err error) {
	if r.Pay != nil {
		columns := r.columns()
		maps.Copy(columns, r.Pay.columns())
		columns["attempts"] = gorm.Expr("attempts + 2")
		free := unstopped(neverPaid(tx)).Where("NOT EXISTS (SELECT 1 FROM actions WHERE process = ? AND action IN ? AND effect = '')",
			r.Call.Process, []domain.Action{domain.ActionHold, domain.ActionCancel})
		if changed, err = writeState(free, id, r.Call.Step, columns); err != nil || changed {
			return changed, changed, err
		}
	}
	columns := r.columns()
	if r.Pay != nil {
		columns["state"] = domain.StateChecking
	}
	changed, err = writeState(neverPaid(tx), id, r.Call.Step, columns)
	return changed, false, err
}

// columns are what a check writes, but for an intent.
func (r CheckRecord) columns() stateColumns {
	columns := r.After.columns(r.Call.At.Add(r.Outcome.Duration))
	columns["attempts"] = gorm.Expr("attempts + 1")
	columns["asks_payer"], columns["check_body"] = r.Asks, r.Call.Body
	r.Outcome.columns(columns)
	if r.Answer != "" {
		columns["check_answer"] = r.Answer
	}
	if !r.PayerUntil.IsZero() {
		columns["payer_until"] = At(r.PayerUntil)
	}
	return columns
}

// Begun is the started row of a pay.
type Begun struct {
	// OK is false when the payment has ended or moved past this step meanwhile:
	// nothing was written and nobody may be called.
	OK      bool
	Started int64 // journal id
	Attempt int   // the payment's how-manieth call
	// Cause and Waited are the call's, or recovery and 0 when this very step was
	// begun before: an execution died in between.
	Cause  domain.Cause
	Waited time.Duration
}

// BeginPay commits the started row of one more pay, before its first byte.
func (l *Ledger) BeginPay(ctx context.Context, c Call) (begun Begun, err error) {
	id, err := domain.PaymentOf(c.Process)
	if err != nil {
		return Begun{}, err
	}
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		counted := tx.Raw(`UPDATE payments SET attempts = attempts + 1
			WHERE id = ? AND step < ? AND pay_sent_at IS NOT NULL AND NOT restored AND state NOT IN ? RETURNING attempts`,
			id, c.Step, domain.TerminalStates()).Scan(&c.Attempt)
		if counted.Error != nil || counted.RowsAffected == 0 {
			return counted.Error
		}
		var before int64
		err := tx.Model(&journalRow{}).Where("process = ? AND step = ? AND phase = ?",
			c.Process, c.Step, phaseStarted).Count(&before).Error
		if err != nil {
			return err
		}
		if before > 0 {
			c.Cause, c.Waited = domain.CauseRecovery, 0
		}
		row := c.row(phaseStarted)
		if err := tx.Create(&row).Error; err != nil {
			return err
		}
		begun = Begun{OK: true, Started: row.ID, Attempt: c.Attempt, Cause: c.Cause, Waited: c.Waited}
		return nil
	})
	if err != nil {
		return Begun{}, fmt.Errorf("begin pay of %s: %w", c.Process, err)
	}
	return begun, nil
}

// RecordPay commits the outcome of the attempt that started names, and what
// follows. changed is false when the payment had ended or moved past this step:
// then only the outcome row is written, and an incident if it contradicts the end.
func (l *Ledger) RecordPay(ctx context.Context, c Call, started int64, o Outcome, after After) (changed bool, err error) {
	id, err := domain.PaymentOf(c.Process)
	if err != nil {
		return false, err
	}
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		row := c.row(phaseOutcome)
		row.StartedID = &started
		o.fill(&row)
		if err := tx.Create(&row).Error; err != nil {
			return err
		}
		columns := after.columns(c.At.Add(o.Duration))
		o.columns(columns)
		if changed, err = writeState(inPaying(tx), id, c.Step, columns); err != nil {
			return err
		}
		if !changed {
			return after.contradict(tx, id, o.evidence(c.Name))
		}
		return after.raise(tx, id, o.evidence(c.Name))
	})
	if err != nil {
		return false, fmt.Errorf("record pay of %s: %w", c.Process, err)
	}
	return changed, nil
}

// raise has a person look, if what follows asks for one.
func (a After) raise(tx *gorm.DB, id domain.AgentTransactionID, evidence string) error {
	if a.OperatorReason == "" || a.State.Terminal() {
		return nil
	}
	return raise(tx, paymentSubject(id), a.OperatorReason, evidence)
}

// contradict has a person look at an answer that came after the end of its payment and
// says otherwise: the money moved where the end says that it did not, or the reverse. The
// end stays. An answer that names another payment says nothing here.
func (a After) contradict(tx *gorm.DB, id domain.AgentTransactionID, evidence string) error {
	if a.PaymentCode == nil {
		return nil
	}
	p, err := readPayment(tx, id)
	if err != nil {
		return err
	}
	if p.Restored {
		return raise(tx, paymentSubject(id), domain.ReasonRestored, evidence)
	}
	switch paid := *a.PaymentCode == domain.CodeSuccess; {
	case paid && (p.State.NotMoved() || p.State == domain.StateResolvedRefused):
		return raise(tx, paymentSubject(id), domain.ReasonPaidAfterEnd, evidence)
	case !paid && a.PaymentCode.Final() && (p.State == domain.StateSucceeded || p.State == domain.StateResolvedSucceeded):
		return raise(tx, paymentSubject(id), domain.ReasonRefusedAfterEnd, evidence)
	}
	return nil
}

// columns turns what follows an attempt into a state write.
func (a After) columns(now time.Time) stateColumns {
	c := stateColumns{"state": a.State, "next_attempt_at": nil, "paused": false}
	if a.NextWait > 0 {
		c["next_attempt_at"], c["waits"] = At(now.Add(a.NextWait)), a.Waits
	}
	if a.PaymentCode != nil {
		c["payment_code"] = *a.PaymentCode
	}
	if a.HeldID {
		c["id_held_by_centre"] = true
	}
	if a.TransactionID != 0 {
		c["transaction_id"] = a.TransactionID
	}
	if a.State == domain.StateSucceeded {
		c["transaction_date"], c["status_date"] = a.TransactionDate, a.StatusDate
	}
	return c
}

// columns adds the last answer to a state write. No connection leaves the last
// code in place: it still says what the centre thinks of the payment.
func (o Outcome) columns(c stateColumns) {
	if o.Code != nil {
		c["result_code"], c["result_message"] = *o.Code, o.Message
	}
}

// Digest is the hex SHA-256 by which bodies are compared.
func Digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
