package storage

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"tolem/domain"
)

// OrderCall is a call that may change something at the bank: validate (which may
// send an SMS), create, confirm, reject.
type OrderCall struct {
	ID   domain.StoreOrderID
	Call Call
	To   domain.OrderState   // while the call may be on its way
	From []domain.OrderState // in which it may begin
}

// BegunOrder is the started row of such a call.
type BegunOrder struct {
	// OK is false when the order has ended, is held, or has moved past this step
	// meanwhile: nothing was written and nobody may be called.
	OK      bool
	Started int64 // journal id
	Attempt int   // the order's how-manieth
	// First says that no call of this name was ever begun for the order: only then
	// does the bank's refusal speak of this very call.
	First bool
}

// sentColumns are when the first of a call's attempts was committed.
var sentColumns = map[string]string{createCall: "create_sent_at", "confirm": "decision_sent_at", "reject": "decision_sent_at"}

// BeginOrderCall commits the started row of a call, and the state that says it may
// be on its way, before its first byte. A person's order to try now passes a hold.
func (l *Ledger) BeginOrderCall(ctx context.Context, c OrderCall) (begun BegunOrder, err error) {
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		at := At(c.Call.At)
		stands := tx.Model(&InstalmentOrder{}).Where("id = ? AND step < ? AND state IN ?", c.ID, c.Call.Step, c.From)
		stands = stands.Where("NOT restored")
		if c.Call.Cause != domain.CauseOperator {
			stands = stands.Where("NOT held")
		}
		if c.Call.Name == createCall { // a store that rejected before anything was sent needs no order at the bank
			stands = stands.Where("decision <> ? OR create_sent_at IS NOT NULL", domain.DecisionReject)
		}
		columns := map[string]any{"state": c.To, "attempts": gorm.Expr("attempts + 1"), "next_attempt_at": nil, "updated_at": at}
		if sent, ok := sentColumns[c.Call.Name]; ok {
			columns[sent] = gorm.Expr("COALESCE(?, ?)", clause.Column{Name: sent}, at)
		}
		written := stands.Updates(columns)
		if written.Error != nil || written.RowsAffected == 0 {
			return written.Error
		}
		order, err := readOrder(tx, c.ID)
		if err != nil {
			return err
		}
		begun = BegunOrder{OK: true, Attempt: order.Attempts}
		begun.Started, begun.First, err = begin(tx, c.Call, order.Attempts)
		return err
	})
	if err != nil {
		return BegunOrder{}, fmt.Errorf("begin %s of %s: %w", c.Call.Name, c.ID.WorkflowID(), err)
	}
	return begun, nil
}

// begin writes the started row of a call; first says that it is the first of its
// name for the process. A step that was begun before is a recovery.
func begin(tx *gorm.DB, c Call, attempt int) (started int64, first bool, err error) {
	var before []journalRow
	same := tx.Select("step").Where("process = ? AND call = ? AND phase = ?", c.Process, c.Name, phaseStarted)
	if c.EventID != 0 { // one step publishes several events
		same = same.Where("event_id = ?", c.EventID)
	}
	err = same.Find(&before).Error
	if err != nil {
		return 0, false, err
	}
	for _, b := range before {
		if b.Step == c.Step {
			c.Cause, c.Waited = domain.CauseRecovery, 0
		}
	}
	c.Attempt = attempt
	row := c.row(phaseStarted)
	err = tx.Create(&row).Error
	return row.ID, len(before) == 0, err
}

// BankStanding is what the bank told of an order.
type BankStanding struct {
	domain.BankState
	Meaning domain.BankMeaning
	Message string
}

// OrderAfter is what follows a call: zero values leave what is there.
type OrderAfter struct {
	State          domain.OrderState
	FailReason     string
	BankOrderID    string
	Bank           *BankStanding
	OperatorReason domain.OperatorReason
	ClientFound    *bool
	ToCard         *bool
	ContractNumber string
	ContractDate   string
	Waits          int           // scheduled waits including the coming one
	NextWait       time.Duration // 0 when nothing follows by itself
}

// answeredReasons are those that a state which the document knows takes away.
var answeredReasons = []domain.OperatorReason{domain.ReasonRejected, domain.ReasonUnknownBankState}

// incidents closes what the call's answer settles, and raises what it asks for. A person
// who was asked to look is asked no longer when the order moves again.
func (a OrderAfter) incidents(tx *gorm.DB, id domain.StoreOrderID, flagged bool, evidence string) error {
	s := orderSubject(id)
	if flagged && a.State != "" {
		if err := settle(tx, s, domain.OperatorReason.EndsWithProcess); err != nil {
			return err
		}
	} else if flagged && a.Bank != nil {
		if err := settle(tx, s, reasons(answeredReasons...)); err != nil {
			return err
		}
	}
	if a.OperatorReason == "" {
		return nil
	}
	return raise(tx, s, a.OperatorReason, evidence)
}

// columns turns what follows into a state write.
func (a OrderAfter) columns(now time.Time) map[string]any {
	c := map[string]any{"next_attempt_at": nil}
	if a.State != "" {
		c["state"] = a.State
		if a.State.Settled() {
			c["active_at"] = gorm.Expr("COALESCE(active_at, ?)", At(now))
		}
	}
	for column, value := range map[string]string{
		"fail_reason": a.FailReason, "bank_order_id": a.BankOrderID, "contract_number": a.ContractNumber, "contract_date": a.ContractDate,
	} {
		if value != "" {
			c[column] = value
		}
	}
	if a.Bank != nil {
		c["bank_state"], c["bank_sub_state"] = a.Bank.State, a.Bank.SubState
		c["bank_meaning"], c["bank_message"] = a.Bank.Meaning, a.Bank.Message
	}
	if a.ClientFound != nil {
		c["client_found"] = *a.ClientFound
	}
	if a.ToCard != nil {
		c["to_card"] = *a.ToCard
	}
	if a.NextWait > 0 {
		c["next_attempt_at"], c["waits"] = At(now.Add(a.NextWait)), a.Waits
	}
	return c
}

// OrderRecord is everything that the end of a call commits.
type OrderRecord struct {
	ID      domain.StoreOrderID
	Call    Call
	Started int64 // of the call's started row; 0 for a call that changes nothing at the bank
	Outcome Outcome
	After   OrderAfter
}

// RecordOrderCall commits the outcome of a call and what follows. changed is false
// when the order had ended or moved past this step: then only the journal row is
// written, because the call was made. What contradicts the store's decision, or the end of
// an order that has ended meanwhile, opens an incident all the same.
//
// A create that the bank refused ends the order where the refusal is certain; the journal,
// with this outcome, says so (domain.CertainRefusal), never the caller.
//
// A number of the bank that another order of ours holds is no answer: the order stays as it
// was, and an incident says so.
//
// Whoever asked for the order's state has seen every callback that came before the
// question.
func (l *Ledger) RecordOrderCall(ctx context.Context, r OrderRecord) (changed bool, err error) {
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		before, err := lockOrder(tx, r.ID)
		if err != nil {
			return err
		}
		taken, err := r.strange(l, tx)
		if err != nil {
			return err
		}
		if err := r.Outcome.journal(tx, r.Call, r.Started); err != nil {
			return err
		}
		if r.Call.Name == createCall && r.Outcome.Failure == domain.FailureRejected {
			if r.After, err = afterRefusal(tx, before, r.After); err != nil {
				return err
			}
		}
		if r.After.Bank != nil {
			if err := seen(tx, r.ID, r.Call.At); err != nil {
				return err
			}
		}
		flagged := false
		changed, flagged, err = writeOrder(tx, r.ID, r.Call.Step, r.After.columns(r.Call.At.Add(r.Outcome.Duration)))
		if err != nil {
			return err
		}
		if changed {
			if err := r.Outcome.readable(tx, orderSubject(r.ID), r.Call, flagged); err != nil {
				return err
			}
			if err := r.After.incidents(tx, r.ID, flagged, r.Outcome.evidence(r.Call.Name)); err != nil {
				return err
			}
		}
		if taken != "" {
			return raise(tx, orderSubject(r.ID), domain.ReasonBankOrderIDTaken, taken)
		}
		if !changed && before.Restored {
			return raise(tx, orderSubject(r.ID), domain.ReasonRestored, r.Outcome.evidence(r.Call.Name))
		}
		return r.contradicts(tx, before)
	})
	if err != nil {
		return false, fmt.Errorf("record %s of %s: %w", r.Call.Name, r.ID.WorkflowID(), err)
	}
	return changed, nil
}

// contradicts opens an incident where the answer contradicts the order as it stood before
// this record, locked: an open one, or one that has ended.
func (r OrderRecord) contradicts(tx *gorm.DB, before InstalmentOrder) error {
	says, what := domain.BankMeaning(""), r.Call.Name+" answered"
	switch {
	case r.After.Bank != nil:
		says, what = r.After.Bank.Meaning, what+" "+r.After.Bank.String()
	case !before.State.Terminal():
		return nil
	case r.After.BankOrderID != "" && before.State == domain.OrderFailed: // a create whose answer came after the end
		says, what = domain.BankPending, what+" the bank's order "+r.After.BankOrderID
	case r.After.State == domain.OrderPaidOut:
		says, what = domain.BankActive, what+" that the store is paid"
	}
	_, err := contradicted(tx, before, says, what)
	return err
}

// journal writes the row of a call's outcome: beside its started row, or alone.
func (o Outcome) journal(tx *gorm.DB, c Call, started int64) error {
	row := c.row(phaseCall)
	if started != 0 {
		row.Phase, row.StartedID = phaseOutcome, &started
	}
	o.fill(&row)
	return tx.Create(&row).Error
}

// OrderEnding ends an order without a call.
type OrderEnding struct {
	ID         domain.StoreOrderID
	Step       int
	State      domain.OrderState
	FailReason string
	Execution  string
	// Unsent writes only while no create was ever begun, and the store has rejected.
	Unsent bool
}

// EndOrder writes a terminal state, if the order is still open and this step is
// new, and returns the order as it then stands.
func (l *Ledger) EndOrder(ctx context.Context, e OrderEnding) (now InstalmentOrder, err error) {
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		scope := tx
		if e.Unsent {
			scope = tx.Where("create_sent_at IS NULL AND decision = ?", domain.DecisionReject)
		}
		after := OrderAfter{State: e.State, FailReason: e.FailReason}
		changed, flagged, err := writeOrder(scope, e.ID, e.Step, after.columns(time.Now()))
		if err != nil {
			return err
		}
		if changed {
			if err := after.incidents(tx, e.ID, flagged, ""); err != nil {
				return err
			}
			row := eventRow(e.ID.WorkflowID(), string(e.State), e.Execution, 0)
			row.Step, row.ResultMessage = e.Step, e.FailReason
			if err := tx.Create(row).Error; err != nil {
				return err
			}
		}
		now, err = readOrder(tx, e.ID)
		return err
	})
	if err != nil {
		return InstalmentOrder{}, fmt.Errorf("end %s: %w", e.ID.WorkflowID(), err)
	}
	return now, nil
}

// FlagOrder raises needs_operator on an open order and journals why. It may run
// twice: the flag stays, the journal says so twice.
func (l *Ledger) FlagOrder(ctx context.Context, id domain.StoreOrderID, reason domain.OperatorReason, execution string) error {
	return l.flag(ctx, flagging{process: id.WorkflowID(), reason: reason, execution: execution, open: func(tx *gorm.DB) *gorm.DB {
		return tx.Model(&InstalmentOrder{}).Where("id = ? AND state NOT IN ?", id, domain.TerminalOrderStates())
	}, subject: orderSubject(id)})
}
