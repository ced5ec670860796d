package storage

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"tolem/domain"
)

// RestoreRun is a run of after-restore that held rows and skipped numbers.
type RestoreRun struct {
	Window
	Epoch      int64
	At         Timestamp
	References int64 // EAR and PTP numbers that it skipped
	Seqs       int64 // numbers that it skipped of every contract that had begun before the window's end
}

// Skipped says whether the run skipped numbers of a contract with these payment orders.
func (r RestoreRun) Skipped(orders []PaymentOrder) bool {
	for _, o := range orders {
		if !o.CreatedAt.After(r.To) {
			return true
		}
	}
	return false
}

// RestoreRecord is what the ledger has of its restores.
type RestoreRecord struct {
	Gate   domain.Gate
	Runs   []RestoreRun // the oldest first
	Unused []int64      // sizes of the gaps in the EAR and PTP numbers
}

// Restores reads the gate, the recorded restores, and the gaps in the EAR and PTP numbers, all
// as they were at one instant.
func (l *Ledger) Restores(ctx context.Context) (r RestoreRecord, err error) {
	err = l.snapshot(ctx, func(tx *gorm.DB) error {
		state, err := one[ledgerState](tx.Where("id = 1"), "the ledger's state")
		if err != nil {
			return err
		}
		r = RestoreRecord{Gate: state.Gate}
		var runs []restoreRun
		if err := tx.Where("what = ?", runHeld).Order("id").Find(&runs).Error; err != nil {
			return err
		}
		for _, run := range runs {
			r.Runs = append(r.Runs, RestoreRun{Window: Window{run.WindowFrom.Time, run.WindowTo.Time}, Epoch: run.Epoch, At: run.At, References: referencesPerEpoch, Seqs: seqsPerEpoch})
		}
		return tx.Raw(`SELECT id - before - 1 FROM (SELECT id, LAG(id, 1, 0) OVER (ORDER BY id) AS before
			FROM (SELECT id FROM payment_orders UNION ALL SELECT last + 1 FROM payment_order_numbers) AS given) AS pairs
			WHERE id <> before + 1 ORDER BY id`).Scan(&r.Unused).Error
	})
	if err != nil {
		return RestoreRecord{}, fmt.Errorf("read the restores: %w", err)
	}
	return r, nil
}
