package storage_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

const today = "2026-02-17"

func loan(contract string, debt domain.Money) storage.Loan {
	return storage.Loan{
		Contract: domain.ContractNumber(contract), LoanNumber: "KD1", IBAN: "KZ000000000000000000", Currency: "KZT", FullName: "Тестовый Тест",
		IINBIN: "000000000000", System: "way4", Debt: debt, OverdueDays: 90,
	}
}

func take(t *testing.T, l *storage.Ledger, day, digest string, loans ...storage.Loan) storage.TakenLoans {
	t.Helper()
	taken, err := l.TakeLoans(t.Context(), storage.LoanBatch{Caller: "eko", Day: day, Digest: digest, Loans: loans, At: noon})
	require.NoError(t, err)
	return taken
}

func order(t *testing.T, l *storage.Ledger, contract domain.ContractNumber) storage.PaymentOrder {
	t.Helper()
	o, err := l.PaymentOrder(t.Context(), contract)
	require.NoError(t, err)
	return o
}

// gathered has the contract's dossier complete.
func gathered(t *testing.T, l *storage.Ledger, contract domain.ContractNumber) {
	t.Helper()
	o := order(t, l, contract)
	for _, part := range domain.DossierParts() {
		gather(t, l, o, part, domain.PartGot)
	}
}

func gather(t *testing.T, l *storage.Ledger, o storage.PaymentOrder, part domain.DossierPart, state domain.PartState) {
	t.Helper()
	g := storage.GatheredPart{
		Contract: o.Contract, Asked: o.Account(), Call: storage.Call{Process: o.Contract.WorkflowID(), Name: string(part), At: noon, Cause: domain.CauseScheduled},
		Outcome: storage.Outcome{Kind: storage.Answered}, Item: storage.DossierItem{OrderID: o.ID, Part: part, State: state, UpdatedAt: storage.At(noon)},
	}
	if state == domain.PartRefused {
		g.Reason = domain.ReasonDossierRefused
	}
	require.NoError(t, l.RecordPart(t.Context(), g))
}

func sent(t *testing.T, l *storage.Ledger, contract domain.ContractNumber) storage.PaymentOrder {
	t.Helper()
	gathered(t, l, contract)
	sent, err := l.SendRequest(t.Context(), contract, order(t, l, contract).ID, noon)
	require.NoError(t, err)
	require.True(t, sent)
	return order(t, l, contract)
}

// status is one reported under a key.
func status(o storage.PaymentOrder, key string, s domain.PaymentOrderStatus, paid domain.Money) storage.ReportedStatus {
	return storage.ReportedStatus{Contract: o.Contract, Reference: o.OrderRef, Caller: "bank", Key: key, RequestSHA256: fmt.Sprint(s, paid),
		Status: s, PaidIncrement: paid, EventAt: noon, At: noon}
}

// seqs are the statuses that have one, in their order, with what is paid.
func seqs(t *testing.T, l *storage.Ledger, contract domain.ContractNumber) (told []string) {
	t.Helper()
	events, err := l.PaymentOrderEvents(t.Context(), contract, 0, 100)
	require.NoError(t, err)
	bySeq := map[int64]storage.PaymentOrderEvent{}
	for _, e := range events {
		if e.Seq != nil {
			bySeq[*e.Seq] = e
		}
	}
	for seq := int64(1); len(told) < len(bySeq); seq++ {
		require.Contains(t, bySeq, seq, "a gap")
		e := bySeq[seq]
		told = append(told, fmt.Sprintf("%s %s/%s debt %s", e.Status, e.Paid, e.Amount, e.Debt))
	}
	return told
}

func TestLoansTakenOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		first := take(t, l, today, "a", loan("KD/1 Ё", 1000), loan("KD2", 2000))
		require.Equal(t, 2, first.Begun)
		before := order(t, l, "KD/1 Ё")
		require.Equal(t, domain.PaymentOrderGathering, before.State)
		require.Regexp(t, `^EAR\d{13}$`, before.RequestRef)
		require.Equal(t, before.RequestRef[3:], before.OrderRef[3:])

		again := take(t, l, today, "a", loan("KD/1 Ё", 1000), loan("KD2", 2000))
		require.Equal(t, storage.TakenLoans{Batch: first.Batch}, again)

		newer := take(t, l, "2026-02-18", "b", loan("KD2", 2500), loan("KD3", 1))
		require.Equal(t, storage.TakenLoans{Batch: newer.Batch, Begun: 1, Updated: 1}, newer)
		require.Equal(t, domain.Money(2500), order(t, l, "KD2").Debt)

		page, err := l.LoansOfBatch(t.Context(), newer.Batch, 0, 10)
		require.NoError(t, err)
		require.Len(t, page, 2, "the one that began, and the one that was brought up to date")
		page, err = l.LoansOfBatch(t.Context(), first.Batch, 0, 10)
		require.NoError(t, err)
		require.Equal(t, []storage.LoanOfBatch{{before.ID, "KD/1 Ё"}}, page)
	})
}

func TestLoansOfBatchesAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		var loans []storage.Loan
		for i := range 60 {
			loans = append(loans, loan(fmt.Sprintf("KD%03d", (i*37)%60), 1000))
		}
		var all sync.WaitGroup
		begun := make([]int, 4)
		for i := range begun {
			all.Go(func() {
				taken, err := l.TakeLoans(t.Context(), storage.LoanBatch{Caller: "eko", Day: today, Digest: fmt.Sprint(i), Loans: loans, At: noon})
				if err == nil {
					begun[i] = taken.Begun
				}
			})
		}
		all.Wait()
		require.Equal(t, 60, begun[0]+begun[1]+begun[2]+begun[3])
		page, _, err := l.PaymentOrders(t.Context(), storage.PaymentOrderFilter{}, "", 100)
		require.NoError(t, err)
		require.Len(t, page, 60)
	})
}

func TestStatusesAndTheirSequence(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		take(t, l, today, "a", loan("KD1", 10_000))
		o := order(t, l, "KD1")
		// before the dossier: stored, told after the request
		_, now, created, err := l.ReportStatus(t.Context(), status(o, "k1", domain.StatusAccepted, 0))
		require.NoError(t, err)
		require.True(t, created)
		require.Equal(t, domain.PaymentOrderGathering, now.State)
		_, _, _, err = l.ReportStatus(t.Context(), status(o, "k2", domain.StatusExecuted, 2_000))
		require.NoError(t, err)
		require.Empty(t, seqs(t, l, "KD1"))
		_, err = l.SendRequest(t.Context(), "KD1", o.ID, noon)
		require.ErrorIs(t, err, storage.ErrDossier)
		o = sent(t, l, "KD1")
		require.Equal(t, domain.PaymentOrderPartPaid, o.State)
		again, err := l.SendRequest(t.Context(), "KD1", o.ID, noon)
		require.NoError(t, err)
		require.False(t, again)

		// two equal executions under two keys count twice, one under one key once
		for _, key := range []string{"k3", "k4", "k4"} {
			_, _, _, err = l.ReportStatus(t.Context(), status(o, key, domain.StatusExecuted, 1_000))
			require.NoError(t, err)
		}
		_, _, _, err = l.ReportStatus(t.Context(), status(o, "k4", domain.StatusExecuted, 1_500))
		require.ErrorIs(t, err, storage.ErrKeyReused)
		_, _, _, err = l.ReportStatus(t.Context(), status(o, "k5", domain.StatusExecuted, 6_001))
		require.ErrorIs(t, err, storage.ErrOverpaid)
		_, now, _, err = l.ReportStatus(t.Context(), status(o, "k6", domain.StatusAccepted, 0))
		require.ErrorIs(t, err, storage.ErrStatusRefused, "backward")
		require.Equal(t, domain.PaymentOrderPartPaid, now.State)

		take(t, l, "2026-02-18", "b", loan("KD1", 7_500)) // a newer report
		_, now, _, err = l.ReportStatus(t.Context(), status(o, "k7", domain.StatusExecuted, 6_000))
		require.NoError(t, err)
		require.Equal(t, domain.PaymentOrderExecuted, now.State)
		require.NotNil(t, now.EndedAt)
		_, _, _, err = l.ReportStatus(t.Context(), status(o, "k8", domain.StatusExecutedBefore, 0))
		require.NoError(t, err, "told after the end too")
		_, _, _, err = l.ReportStatus(t.Context(), status(o, "k9", domain.StatusReversed, 0))
		require.ErrorIs(t, err, storage.ErrStatusRefused)

		// a contract that returns keeps its sequence, and the day of the end begins nothing
		require.Zero(t, take(t, l, "2026-02-18", "c", loan("KD1", 300)).Begun)
		require.Equal(t, 1, take(t, l, "2026-02-19", "d", loan("KD1", 300)).Begun)
		o = sent(t, l, "KD1")
		_, _, _, err = l.ReportStatus(t.Context(), status(o, "k1", domain.StatusNotAccepted, 0))
		require.ErrorIs(t, err, storage.ErrKeyReused, "the key belongs to the contract")
		_, now, _, err = l.ReportStatus(t.Context(), status(o, "k11", domain.StatusNotAccepted, 0))
		require.NoError(t, err)
		require.Equal(t, domain.PaymentOrderNotAccepted, now.State)
		event, _, created, err := l.ReportStatus(t.Context(), status(o, "k10", domain.StatusNotAccepted, 0))
		require.NoError(t, err)
		require.True(t, created)
		require.Equal(t, domain.StatusRepeated, event.Verdict)
		require.Equal(t, []string{
			"request was sent 0.00/100.00 debt 100.00", "payment order accepted 0.00/100.00 debt 100.00", "payment order executed 20.00/100.00 debt 80.00",
			"payment order executed 30.00/100.00 debt 70.00", "payment order executed 40.00/100.00 debt 60.00",
			"payment order executed 100.00/100.00 debt 15.00",
			"reversal of payment order was not accepted (was executed before) 100.00/100.00 debt 15.00",
			"request was sent 0.00/3.00 debt 3.00", "payment order not accepted 0.00/3.00 debt 3.00",
		}, seqs(t, l, "KD1"))
	})
}

func TestSequenceUnderManyReporters(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		take(t, l, today, "a", loan("KD1", 10_000))
		o := sent(t, l, "KD1")
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				for range 2 { // each twice, at once
					_, _, _, _ = l.ReportStatus(t.Context(), status(o, fmt.Sprint(i), domain.StatusExecuted, 500))
				}
			})
		}
		all.Wait()
		require.Equal(t, domain.PaymentOrderExecuted, order(t, l, "KD1").State)
		require.Len(t, seqs(t, l, "KD1"), 21)
	})
}

func TestTellingInOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		take(t, l, today, "a", loan("KD1", 10_000))
		o := sent(t, l, "KD1")
		_, _, _, err := l.ReportStatus(t.Context(), status(o, "k1", domain.StatusActivated, 0))
		require.NoError(t, err)
		made := 0
		begin := func() storage.Told {
			told, err := l.BeginTelling(t.Context(), "KD1", storage.Call{Process: o.Contract.WorkflowID(), Name: "tell", Step: 1, At: noon},
				func(e storage.PaymentOrderEvent, _ storage.PaymentOrder) ([]byte, error) {
					made++
					return fmt.Appendf(nil, "%d %d", *e.Seq, made), nil
				})
			require.NoError(t, err)
			return told
		}
		end := func(told storage.Told, place *storage.Place) {
			require.NoError(t, l.RecordTelling(t.Context(), storage.Telling{Contract: "KD1", Told: told, Place: place,
				Call: storage.Call{Process: o.Contract.WorkflowID(), Name: "tell", At: noon}, Outcome: storage.Outcome{Kind: storage.Answered}}))
		}
		lost := begin()
		require.Equal(t, "1 1", string(lost.Event.Message))
		end(lost, nil) // nobody knows
		first := begin()
		require.Equal(t, "1 1", string(first.Event.Message), "the same event, the same bytes")
		end(first, &storage.Place{Topic: "loxon", Partition: 3, Offset: 7})
		end(lost, &storage.Place{Topic: "loxon", Partition: 3, Offset: 8}) // a late one changes nothing
		second := begin()
		require.Equal(t, int64(2), *second.Event.Seq)

		_, _, _, err = l.ActOnPaymentOrder(t.Context(), "KD1", storage.Action{Process: o.Contract.WorkflowID(), Action: domain.ActionHold,
			Caller: "aigul", IdempotencyKey: "h", RequestedAt: storage.At(noon)}, storage.PaymentOrderAsk{})
		require.NoError(t, err)
		require.False(t, begin().OK, "a person holds it")

		events, err := l.PaymentOrderEvents(t.Context(), "KD1", 0, 10)
		require.NoError(t, err)
		byKey := map[string]storage.PaymentOrderEvent{}
		for _, e := range events {
			byKey[e.EventKey] = e
		}
		request := "request was sent " + string(o.OrderRef)
		require.Equal(t, int64(7), byKey[request].TopicOffset)
		require.NotNil(t, byKey[request].ToldAt)
		require.Nil(t, byKey["k1"].ToldAt)
		standing, err := l.Standing(t.Context(), "KD1")
		require.NoError(t, err)
		require.Equal(t, int64(1), standing.Untold)
		require.NotNil(t, standing.UntoldSince)
		due, err := l.DueContracts(t.Context(), time.Now(), "", 10)
		require.NoError(t, err)
		require.Equal(t, []domain.ContractNumber{"KD1"}, due)
	})
}

func TestActionsOnPaymentOrders(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		take(t, l, today, "a", loan("KD1", 10_000))
		o := order(t, l, "KD1")
		act := func(action domain.Action, by, key string) (domain.Effect, domain.Refusal) {
			done, _, _, err := l.ActOnPaymentOrder(t.Context(), "KD1", storage.Action{Process: o.Contract.WorkflowID(), Action: action, Caller: by,
				IdempotencyKey: key, RequestSHA256: string(action), RequestedAt: storage.At(time.Now())}, storage.PaymentOrderAsk{ContractDate: "2020-01-31"})
			var refused storage.ErrActionRefused
			if err != nil {
				require.ErrorAs(t, err, &refused)
			}
			return done.Effect, refused.Refusal
		}
		stuck := func(since time.Time) int {
			page, _, err := l.PaymentOrders(t.Context(), storage.PaymentOrderFilter{StuckSince: since}, "", 10)
			require.NoError(t, err)
			return len(page)
		}
		require.Equal(t, 1, stuck(noon.Add(time.Minute)))
		require.Zero(t, stuck(noon))
		gather(t, l, o, domain.PartScan, domain.PartRefused)
		require.True(t, order(t, l, "KD1").NeedsOperator)
		require.Equal(t, 1, stuck(noon), "however young")
		due, err := l.DueContracts(t.Context(), time.Now(), "", 10)
		require.NoError(t, err)
		require.Empty(t, due, "it waits for a person")
		for _, step := range []struct {
			action  domain.Action
			by, key string
			effect  domain.Effect
			refusal domain.Refusal
		}{
			{domain.ActionRelease, "aigul", "1", "", domain.RefusalNotHeld},
			{domain.ActionHold, "aigul", "2", domain.EffectHeld, ""},
			{domain.ActionRetry, "aigul", "3", "", domain.RefusalHeld},
			{domain.ActionRelease, "aigul", "4", domain.EffectReleased, ""},
			{domain.ActionRetry, "aigul", "5", domain.EffectRetried, ""},
			{domain.ActionClose, "aigul", "6", domain.EffectProposed, ""},
			{domain.ActionClose, "aigul", "6", domain.EffectProposed, ""}, // sent again
			{domain.ActionClose, "aigul", "7", "", domain.RefusalSecondOperator},
			{domain.ActionClose, "berik", "8", domain.EffectClosed, ""},
			{domain.ActionHold, "aigul", "9", "", domain.RefusalOrderEnded},
		} {
			effect, refusal := act(step.action, step.by, step.key)
			require.Equal(t, step.effect, effect, step)
			require.Equal(t, step.refusal, refusal, step)
			if step.key == "5" {
				now := order(t, l, "KD1")
				require.False(t, now.NeedsOperator)
				require.Equal(t, "2020-01-31", now.ContractDate)
				standing, err := l.Standing(t.Context(), "KD1")
				require.NoError(t, err)
				require.Equal(t, 4, standing.Missing)
			}
		}
		require.Equal(t, domain.PaymentOrderClosed, order(t, l, "KD1").State)
		gathered(t, l, "KD1")
		sent, err := l.SendRequest(t.Context(), "KD1", o.ID, noon)
		require.NoError(t, err)
		require.False(t, sent, "nothing leaves an end")
		open, err := l.OpenContracts(t.Context(), time.Now(), "", 10)
		require.NoError(t, err)
		require.Empty(t, open)
	})
}

func TestPartsThatAreThereStay(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		take(t, l, today, "a", loan("KD1", 10_000))
		o := order(t, l, "KD1")
		gather(t, l, o, domain.PartClient, domain.PartRefused)
		gather(t, l, o, domain.PartClient, domain.PartGot)
		gather(t, l, o, domain.PartClient, domain.PartRefused) // a late answer
		parts, err := l.Dossier(t.Context(), o.ID)
		require.NoError(t, err)
		require.Len(t, parts, 4)
		require.Equal(t, domain.PartGot, parts[0].State)
		require.Equal(t, domain.PartMissing, parts[3].State)
		calls, err := l.Attempts(t.Context(), o.Contract.WorkflowID(), 0, 10)
		require.NoError(t, err)
		require.Len(t, calls, 3)
	})
}
