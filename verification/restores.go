package verification

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tolem/domain"
	"tolem/storage"
)

// restores are the recorded restores, and the incidents about what they lost. Without a
// recorded restore nothing is lost.
type restores struct {
	storage.RestoreRecord
	missing map[string]storage.Incident // by workflow id: reason missing_in_ledger
}

// readRestores reads what the ledger has of restores. The gate has to be open, and the EAR and
// PTP numbers have exactly the gaps of recorded restores.
func (v *verifier) readRestores(ctx context.Context) (err error) {
	if v.restores.RestoreRecord, err = v.Ledger.Restores(ctx); err != nil {
		return err
	}
	const ledger = "the ledger"
	v.report.check(Gate, ledger, v.restores.Gate == domain.GateOpen, "its gate is %s: a restore waits for `tolem after-restore`", v.restores.Gate)
	v.report.expect(References, ledger, v.restores.references())
	if len(v.restores.Runs) == 0 {
		return nil
	}
	v.restores.missing = map[string]storage.Incident{}
	return v.Ledger.EachIncident(ctx, func(i storage.Incident, of storage.IncidentSubject) error {
		if i.Reason == domain.ReasonMissingInLedger {
			v.restores.missing[of.WorkflowID] = i
		}
		return nil
	})
}

// references says what is wrong with the gaps in the EAR and PTP numbers; "" when every one is
// that of recorded restores.
func (r restores) references() string {
	jumps, skipped := int64(0), int64(0)
	for _, run := range r.Runs {
		skipped += run.References
	}
	for _, gap := range r.Unused {
		if len(r.Runs) == 0 || gap%r.Runs[0].References != 0 {
			return fmt.Sprintf("%d EAR and PTP numbers were left out", gap)
		}
		jumps += gap
	}
	if jumps != skipped {
		return fmt.Sprintf("%d EAR and PTP numbers were left out, and restores skipped %d", jumps, skipped)
	}
	return ""
}

// gap is a run of numbers that nobody has, first and last included.
type gap struct{ first, last int64 }

// gapsOf puts missing numbers, in their order, together.
func gapsOf(missing []int64) (all []gap) {
	for _, n := range missing {
		if i := len(all) - 1; i >= 0 && all[i].last == n-1 {
			all[i].last = n
			continue
		}
		all = append(all, gap{n, n})
	}
	return all
}

// numbers says what is wrong with the missing event numbers of a contract; "" when they are
// exactly those that restores skipped.
func (r restores) numbers(orders []storage.PaymentOrder, missing []int64) string {
	skipped := int64(0)
	for _, run := range r.Runs {
		if run.Skipped(orders) {
			skipped += run.Seqs
		}
	}
	for _, g := range gapsOf(missing) {
		if skipped == 0 || (g.last-g.first+1)%r.Runs[0].Seqs != 0 {
			return fmt.Sprintf("event numbers %d to %d are missing", g.first, g.last)
		}
	}
	if int64(len(missing)) != skipped {
		return fmt.Sprintf("%d event numbers are missing, and restores skipped %d", len(missing), skipped)
	}
	return ""
}

// lostEvent says that an incident was raised about this very event of the topic, which a
// recorded restore lost.
func (r restores) lostEvent(id string, seq int64) bool {
	return slices.ContainsFunc(r.missing[id].Entries, func(e storage.IncidentEntry) bool { return strings.HasPrefix(e.Evidence, storage.LostEvent(seq)+" ") })
}

// lostRow says that an incident was raised about a process whose row a recorded restore lost,
// and that a run of it was started before the end of a window.
func (r restores) lostRow(id string, started time.Time) bool {
	_, lost := r.missing[id]
	return lost && slices.ContainsFunc(r.Runs, func(run storage.RestoreRun) bool { return !started.After(run.To) })
}

// lostAs says that an incident was raised about a lost process, and that people have not closed
// it with another word on where the money is. An open one is a finding of its own.
func (r restores) lostAs(id string, moved bool) bool {
	i, lost := r.missing[id]
	if c := correction(storage.ProcessRecord{Incidents: []storage.Incident{i}}); lost && c != nil {
		return moved == (c.Money == domain.MoneyMoved)
	}
	return lost
}

// held is when recorded restores held a row, up to the last that did.
func (r restores) held(created storage.Timestamp, epoch int64) (at []time.Time) {
	for _, run := range r.Runs {
		if run.Epoch <= epoch && !created.After(run.To) {
			at = append(at, run.At.Time)
		}
	}
	return at
}

// restoredRow is what a row says of the restores that held it.
type restoredRow struct {
	id       string
	restored bool
	epoch    int64 // of the last restore that held it; 0 never
	created  storage.Timestamp
	terminal bool
	resolved bool // by two people, which ends a hold as well
}

// restored checks a row that a restore held: the restore is recorded; until its release the row
// is open and needs a person; and who released it were two, or one who cites a stored register.
func (v *verifier) restored(ctx context.Context, row restoredRow, r storage.ProcessRecord) error {
	if row.epoch == 0 && !row.restored {
		return nil
	}
	recorded := slices.ContainsFunc(v.restores.Runs, func(run storage.RestoreRun) bool { return run.Epoch == row.epoch })
	v.report.check(StateFollows, row.id, recorded, "restore %d held it, and is not recorded", row.epoch)
	if row.restored {
		if row.terminal {
			v.report.expect(StateFollows, row.id, "it has ended, and a restore holds it")
			return nil
		}
		raised := slices.ContainsFunc(r.Incidents, func(i storage.Incident) bool { return i.Open && i.Reason == domain.ReasonRestored })
		v.report.check(Flagged, row.id, raised, "a restore holds it, and no incident says so")
		return nil
	}
	if !recorded || row.resolved {
		return nil
	}
	problem, err := v.released(ctx, row, r)
	v.report.expect(TwoPeople, row.id, problem)
	return err
}

// released says what is wrong with the first release after a restore held a row; "" when nothing
// is.
func (v *verifier) released(ctx context.Context, row restoredRow, r storage.ProcessRecord) (string, error) {
	held := v.restores.held(row.created, row.epoch)
	var first *storage.Action
	for _, e := range r.Events {
		by := actionOf(r, e)
		if by == nil || by.Action != domain.ActionRelease || len(held) > 0 && e.At.Before(held[len(held)-1]) {
			continue
		}
		switch domain.Effect(e.Event) {
		case domain.EffectProposed:
			first = by
		case domain.EffectReleased:
			if by.EvidenceKind == domain.EvidenceRegister {
				id, err := domain.PaymentOf(row.id)
				if err != nil {
					return "a register released what is no payment", nil
				}
				if lacks, err := v.Ledger.RegisterLacks(ctx, by.RegisterSHA256, id); err != nil || lacks {
					return "", err
				}
			}
			return approval{action: domain.ActionRelease, effect: domain.EffectReleased}.approved(first, by), nil
		}
	}
	return "a restore held it, and nobody released it", nil
}
