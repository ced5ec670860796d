package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"tolem/domain"
)

// Window is when commits were made that a restored ledger lost.
type Window struct{ From, To time.Time }

// What a restore skips, so that no number is given twice. Each is more than a ledger gives
// in a window that people would restore across.
const (
	referencesPerEpoch = 10_000 // of EAR and PTP
	seqsPerEpoch       = 1_000  // of every contract's events
)

// epochBits is where a mark holds the number of the restore.
const epochBits = 40

// Restored is what after-restore did to the ledger.
type Restored struct {
	Epoch     int64 `json:"epoch"`
	Payments  int   `json:"payments"` // rows that are held
	Orders    int   `json:"orders"`
	Returns   int   `json:"returns"`
	Demands   int   `json:"payment_orders"`
	Contracts int64 `json:"contracts"` // whose event-seq jumped
	Before    bool  `json:"-"`         // an earlier run did it: this one changed nothing
	Broken    bool  `json:"-"`         // that run ended before it let people reconcile
}

// ledgerState is the one row of ledger_state.
type ledgerState struct {
	ID         int64
	Mark       int64
	Gate       domain.Gate
	ClosedAt   *Timestamp
	WindowFrom *Timestamp
	WindowTo   *Timestamp
}

// TableName is ledger_state.
func (ledgerState) TableName() string { return "ledger_state" }

// restoreRun is a row of restores.
type restoreRun struct {
	ID         int64
	What       string
	Epoch      int64
	WindowFrom Timestamp
	WindowTo   Timestamp
	Counts     string
	Why        string
	At         Timestamp
}

// TableName is restores.
func (restoreRun) TableName() string { return "restores" }

// held is the run that holds rows, and reconciled the one that opens the gate.
const (
	runHeld       = "held"
	runReconciled = "reconciled"
)

// Errors of a restore.
var (
	ErrNotReconciling = errors.New("no run of after-restore is waiting to be reconciled")
	// ErrRestoredSince is that of a window whose run came before the gate was closed.
	ErrRestoredSince = errors.New("the ledger lost commits after the run for this window: give the window of those")
	errDryRun        = errors.New("dry run")
)

// CloseGate closes the gate by a person's word; closed is false when it was closed before.
// Processes that run notice within about a second.
func (l *Ledger) CloseGate(ctx context.Context, why string) (closed bool, err error) {
	did := l.db.WithContext(ctx).Exec("UPDATE ledger_state SET gate = ?, closed_at = ?, why = ? WHERE id = 1 AND gate <> ?",
		domain.GateClosed, At(time.Now()), why, domain.GateClosed)
	if did.Error != nil {
		return false, fmt.Errorf("close the ledger's gate: %w", did.Error)
	}
	return did.RowsAffected == 1, nil
}

// HoldRestored holds every open process that began before the end of the window, and skips
// the numbers that the lost commits may have given. known is the highest mark that was kept
// outside the ledger. What began later is not changed. The same window again changes
// nothing, unless the ledger was restored since. With dry nothing is written at all.
func (l *Ledger) HoldRestored(ctx context.Context, w Window, known int64, dry bool) (did Restored, err error) {
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		did = Restored{}
		state, err := lockState(tx)
		if err != nil {
			return err
		}
		from, to := At(w.From), At(w.To)
		var before []restoreRun
		err = tx.Where("what = ? AND window_from = ? AND window_to = ?", runHeld, from, to).Order("id DESC").Limit(1).Find(&before).Error
		if err != nil {
			return err
		}
		if len(before) > 0 && state.Mark>>epochBits == before[0].Epoch && max(state.Mark, known)>>epochBits == before[0].Epoch {
			if state.Gate == domain.GateClosed && state.ClosedAt != nil && state.ClosedAt.After(before[0].At.Time) {
				return ErrRestoredSince
			}
			did.Before, did.Broken = true, state.Gate == domain.GateClosed
			return json.Unmarshal([]byte(before[0].Counts), &did)
		}
		did.Epoch = max(state.Mark, known)>>epochBits + 1
		if err := did.hold(tx, w); err != nil {
			return err
		}
		if err := did.skip(tx, to); err != nil {
			return err
		}
		if dry {
			return errDryRun
		}
		counts, err := json.Marshal(did)
		if err != nil {
			return err
		}
		err = tx.Exec("UPDATE ledger_state SET mark = ?, marked_at = ?, window_from = ?, window_to = ? WHERE id = 1",
			did.Epoch<<epochBits, At(time.Now()), from, to).Error
		if err != nil {
			return err
		}
		return tx.Create(&restoreRun{What: runHeld, Epoch: did.Epoch, WindowFrom: from, WindowTo: to, Counts: string(counts), At: At(time.Now())}).Error
	})
	if err != nil && !errors.Is(err, errDryRun) {
		return Restored{}, fmt.Errorf("hold what a restore left open: %w", err)
	}
	return did, nil
}

func lockState(tx *gorm.DB) (ledgerState, error) {
	if err := tx.Exec("UPDATE ledger_state SET mark = mark WHERE id = 1").Error; err != nil {
		return ledgerState{}, err
	}
	return one[ledgerState](tx.Where("id = 1"), "the ledger's state")
}

// openRows are the tables of the kinds of processes, with the columns that name one and what
// else a hold changes.
var openRows = []struct {
	table, columns, also string
	process              domain.Process
}{
	{"payments", "CAST(id AS TEXT) AS id, '' AS part", "next_attempt_at = NULL", domain.ProcessPayment},
	{"instalment_orders", "id, '' AS part", "next_attempt_at = NULL, wake = TRUE", domain.ProcessOrder},
	{"order_returns", "order_id AS id, id AS part", "next_attempt_at = NULL, wake = TRUE", domain.ProcessReturn},
	{"payment_orders", "contract AS id, '' AS part", "next_attempt_at = NULL", domain.ProcessPaymentOrder},
}

// hold holds the open rows of every kind, each with an incident.
func (r *Restored) hold(tx *gorm.DB, w Window) error {
	states := map[domain.Process][]string{}
	for _, p := range domain.Processes() {
		states[p.Process] = p.Terminal
	}
	evidence := fmt.Sprintf("restore %d: commits between %s and %s are lost", r.Epoch, w.From.UTC().Format(time.RFC3339), w.To.UTC().Format(time.RFC3339))
	for _, kind := range openRows {
		var rows []struct{ ID, Part string }
		err := tx.Raw("UPDATE "+kind.table+" SET restored = TRUE, held = TRUE, restored_epoch = ?, restored_released_at = NULL, release_action = NULL, updated_at = ?, "+kind.also+
			" WHERE state NOT IN ? AND created_at <= ? RETURNING "+kind.columns, r.Epoch, At(time.Now()), states[kind.process], At(w.To)).Scan(&rows).Error
		if err != nil {
			return fmt.Errorf("hold open %s: %w", kind.table, err)
		}
		for _, row := range rows {
			if err := raise(tx, subject{kind.process, row.ID, row.Part}, domain.ReasonRestored, evidence); err != nil {
				return err
			}
		}
		*map[domain.Process]*int{
			domain.ProcessPayment: &r.Payments, domain.ProcessOrder: &r.Orders, domain.ProcessReturn: &r.Returns, domain.ProcessPaymentOrder: &r.Demands,
		}[kind.process] = len(rows)
	}
	return nil
}

// skip leaves out the numbers that lost commits may have given. The agentTransactionId needs
// none: its milliseconds lead.
func (r *Restored) skip(tx *gorm.DB, to Timestamp) error {
	if err := tx.Exec("UPDATE payment_order_numbers SET last = last + ?", referencesPerEpoch).Error; err != nil {
		return fmt.Errorf("skip references: %w", err)
	}
	skipped := tx.Exec("UPDATE collection_contracts SET last_seq = last_seq + ? WHERE EXISTS (SELECT 1 FROM payment_orders AS o WHERE o.contract = collection_contracts.contract AND o.created_at <= ?)",
		seqsPerEpoch, to)
	r.Contracts = skipped.RowsAffected
	return skipped.Error
}

// Reconcile has people compare: what exists is shown and may be released, what may repeat a
// lost row is not taken. changed is false when that was so, or is over.
func (l *Ledger) Reconcile(ctx context.Context) (changed bool, err error) {
	did := l.db.WithContext(ctx).Exec("UPDATE ledger_state SET gate = ? WHERE id = 1 AND gate = ?", domain.GateReconciling, domain.GateClosed)
	if did.Error != nil {
		return false, fmt.Errorf("set the ledger's gate: %w", did.Error)
	}
	return did.RowsAffected == 1, nil
}

// Reconciled opens the gate by a person's word, and keeps why. It fails with
// ErrNotReconciling where no run of after-restore waits for it.
func (l *Ledger) Reconciled(ctx context.Context, why string) error {
	err := l.inTransaction(ctx, func(tx *gorm.DB) error {
		state, err := lockState(tx)
		if err != nil {
			return err
		}
		if state.Gate != domain.GateReconciling || state.WindowFrom == nil || state.WindowTo == nil {
			return ErrNotReconciling
		}
		if err := tx.Exec("UPDATE ledger_state SET gate = ? WHERE id = 1", domain.GateOpen).Error; err != nil {
			return err
		}
		return tx.Create(&restoreRun{What: runReconciled, Epoch: state.Mark >> epochBits, WindowFrom: *state.WindowFrom, WindowTo: *state.WindowTo, Counts: "{}", Why: why, At: At(time.Now())}).Error
	})
	if err != nil {
		return fmt.Errorf("open the ledger's gate: %w", err)
	}
	return nil
}

// HeldByRestore lists the workflow ids of the processes that a restore holds.
func (l *Ledger) HeldByRestore(ctx context.Context) (ids []string, err error) {
	for _, kind := range openRows {
		var rows []struct{ ID, Part string }
		if err := l.db.WithContext(ctx).Raw("SELECT " + kind.columns + " FROM " + kind.table + " WHERE restored").Scan(&rows).Error; err != nil {
			return nil, fmt.Errorf("read what a restore holds: %w", err)
		}
		for _, row := range rows {
			ids = append(ids, OpenIncident{Process: kind.process, Subject: row.ID, Part: row.Part}.WorkflowID())
		}
	}
	return ids, nil
}

// Knows says whether the ledger has a process: of a payment order, its contract.
func (l *Ledger) Knows(ctx context.Context, about OpenIncident) (bool, error) {
	var n int64
	s := subject{about.Process, about.Subject, about.Part}
	if err := s.rows(l.db.WithContext(ctx)).Limit(1).Count(&n).Error; err != nil {
		return false, fmt.Errorf("look for %s: %w", about.WorkflowID(), err)
	}
	return n > 0, nil
}

// KnowsSeq says whether the ledger has an event of a contract by its seq.
func (l *Ledger) KnowsSeq(ctx context.Context, contract domain.ContractNumber, seq int64) (bool, error) {
	var n int64
	err := l.db.WithContext(ctx).Model(&PaymentOrderEvent{}).Where("contract = ? AND seq = ?", contract, seq).Limit(1).Count(&n).Error
	if err != nil {
		return false, fmt.Errorf("look for an event of %s: %w", contract.WorkflowID(), err)
	}
	return n > 0, nil
}

// RaiseMissing opens an incident about what somebody else has and the ledger has not, or
// adds the fact. fresh is false, and nothing changes, when that very fact was raised before,
// whatever became of its incident. With dry nothing is written.
func (l *Ledger) RaiseMissing(ctx context.Context, about OpenIncident, evidence string, dry bool) (fresh bool, err error) {
	s := subject{about.Process, about.Subject, about.Part}
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		var n int64
		before := s.of(tx.Model(&IncidentEntry{})).Where("reason = ? AND evidence = ?", domain.ReasonMissingInLedger, evidence)
		if err := before.Limit(1).Count(&n).Error; err != nil || n > 0 {
			return err
		}
		if fresh = true; dry {
			return nil
		}
		return raise(tx, s, domain.ReasonMissingInLedger, evidence)
	})
	if err != nil {
		return false, fmt.Errorf("raise %s: %w", domain.ReasonMissingInLedger, err)
	}
	return fresh, nil
}

// LostEvent begins the evidence of an event that the topic has and the ledger not.
func LostEvent(seq int64) string { return fmt.Sprintf("Loxon's topic holds event-seq %d", seq) }
