package storage_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

func report(t *testing.T, l *storage.Ledger, o storage.PaymentOrder, key string, s domain.PaymentOrderStatus, paid domain.Money) storage.PaymentOrder {
	t.Helper()
	_, now, created, err := l.ReportStatus(t.Context(), status(o, key, s, paid))
	require.NoError(t, err)
	require.True(t, created)
	return now
}

// act takes a person's action, which must be allowed.
func act(t *testing.T, l *storage.Ledger, contract domain.ContractNumber, a domain.Action, by, key string) storage.PaymentOrder {
	t.Helper()
	_, now, err := tries(t, l, contract, a, by, key, storage.PaymentOrderAsk{})
	require.NoError(t, err)
	return now
}

func tries(t *testing.T, l *storage.Ledger, contract domain.ContractNumber, a domain.Action, by, key string, ask storage.PaymentOrderAsk) (storage.Action, storage.PaymentOrder, error) {
	t.Helper()
	done, now, _, err := l.ActOnPaymentOrder(t.Context(), contract, storage.Action{Process: contract.WorkflowID(), Action: a, Caller: by,
		IdempotencyKey: key, RequestSHA256: fmt.Sprint(contract, a, ask), RequestedAt: storage.At(time.Now())}, ask)
	return done, now, err
}

// The debt is the latest report without the executions after it, also where an execution came
// before the request was sent and a newer report after it.
func TestDebtOfAReportAfterAnEarlyExecution(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		take(t, l, today, "a", loan("KD1", 1_000_00))
		o := order(t, l, "KD1")
		report(t, l, o, "k1", domain.StatusExecuted, 300_00)
		take(t, l, "2026-02-18", "b", loan("KD1", 700_00)) // the execution is part of it
		report(t, l, o, "k2", domain.StatusExecuted, 50_00)
		o = sent(t, l, "KD1")
		require.Equal(t, domain.Money(650_00), o.DebtNow())
		o = report(t, l, o, "k3", domain.StatusExecuted, 100_00)
		require.Equal(t, domain.Money(550_00), o.DebtNow())
		require.Equal(t, []string{
			"request was sent 0.00/1000.00 debt 700.00", "payment order executed 300.00/1000.00 debt 700.00",
			"payment order executed 350.00/1000.00 debt 650.00", "payment order executed 450.00/1000.00 debt 550.00",
		}, seqs(t, l, "KD1"))
	})
}

// A loan that is reported unchanged on the same day changes nothing, whatever else is in the
// batch: the executions since its first report stay executed.
func TestUnchangedReportOnTheSameDay(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		take(t, l, today, "a", loan("KD1", 1_000_00))
		o := sent(t, l, "KD1")
		report(t, l, o, "k1", domain.StatusExecuted, 300_00)
		before := order(t, l, "KD1")
		taken := take(t, l, today, "b", loan("KD1", 1_000_00), loan("KD2", 1))
		require.Equal(t, storage.TakenLoans{Batch: taken.Batch, Begun: 1}, taken)
		require.Equal(t, before, order(t, l, "KD1"))

		days := loan("KD1", 1_000_00)
		days.OverdueDays = 91
		require.Equal(t, 1, take(t, l, today, "c", days).Updated)
		require.Equal(t, 91, order(t, l, "KD1").OverdueDays)
		require.Equal(t, domain.Money(700_00), order(t, l, "KD1").DebtNow(), "the debt was not reported anew")
		require.Equal(t, 1, take(t, l, "2026-02-18", "d", loan("KD1", 1_000_00)).Updated)
		require.Equal(t, domain.Money(1_000_00), order(t, l, "KD1").DebtNow(), "on another day it was")
	})
}

// A corrected loan on the day of the end begins the next payment order, but after an execution
// in full.
func TestCorrectedLoanOnTheDayOfTheEnd(t *testing.T) {
	corrections := map[string]func(*storage.Loan){
		"debt": func(l *storage.Loan) { l.Debt++ }, "iban": func(l *storage.Loan) { l.IBAN = "KZ000000000000000001" },
		"iinbin": func(l *storage.Loan) { l.IINBIN = "000000000001" }, "cur": func(l *storage.Loan) { l.Currency = "USD" },
	}
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		for end, ends := range map[domain.PaymentOrderState]func(o storage.PaymentOrder){
			domain.PaymentOrderNotAccepted: func(o storage.PaymentOrder) { report(t, l, o, "n", domain.StatusNotAccepted, 0) },
			domain.PaymentOrderReversed: func(o storage.PaymentOrder) {
				report(t, l, o, "a", domain.StatusAccepted, 0)
				report(t, l, o, "r", domain.StatusReversed, 0)
			},
			domain.PaymentOrderClosed: func(o storage.PaymentOrder) {
				act(t, l, o.Contract, domain.ActionClose, "aigul", "c1 "+string(o.OrderRef))
				act(t, l, o.Contract, domain.ActionClose, "berik", "c2 "+string(o.OrderRef))
			},
			domain.PaymentOrderExecuted: func(o storage.PaymentOrder) { report(t, l, o, "e", domain.StatusExecuted, 1000) },
		} {
			for field, correct := range corrections {
				contract := domain.ContractNumber("KD/" + string(end) + "/" + field)
				first, corrected := loan(string(contract), 1000), loan(string(contract), 1000)
				correct(&corrected)
				take(t, l, today, "a"+string(contract), first)
				before := sent(t, l, contract)
				ends(before)
				before = order(t, l, contract)
				require.Equal(t, end, before.State)
				require.Zero(t, take(t, l, today, "b"+string(contract), first, loan("x"+string(contract), 1)).Updated, "unchanged")
				require.Equal(t, before, order(t, l, contract))

				taken := take(t, l, today, "c"+string(contract), corrected)
				again := take(t, l, today, "d"+string(contract), corrected, loan("y"+string(contract), 1))
				now := order(t, l, contract)
				if end == domain.PaymentOrderExecuted {
					require.Equal(t, storage.TakenLoans{Batch: taken.Batch, Contradicted: 1}, taken, contract)
					require.Equal(t, before.ID, now.ID, contract)
					require.True(t, now.NeedsOperator, contract)
					continue
				}
				require.Equal(t, storage.TakenLoans{Batch: taken.Batch, Begun: 1}, taken, contract)
				require.Equal(t, storage.TakenLoans{Batch: again.Batch, Begun: 1}, again, "the other one alone")
				require.NotEqual(t, before.OrderRef, now.OrderRef, contract)
				require.Equal(t, domain.PaymentOrderGathering, now.State)
				require.Equal(t, []any{corrected.Debt, corrected.IBAN, corrected.IINBIN, corrected.Currency}, []any{now.Debt, now.IBAN, now.IINBIN, now.Currency})
			}
		}
		require.Len(t, openReasons(t, l), len(corrections))
		for _, line := range openReasons(t, l) {
			require.Regexp(t, `^KD/executed/(debt|iban|iinbin|cur) loan_after_executed: PTP\d{13}: (debt|iban|iinbin|cur)$`, line, "one fact each")
		}
	})
}

// While the dossier is gathered a corrected loan is taken over: what was asked by the old
// values is asked for again, and an answer to the old question is not kept.
func TestLoanCorrectedWhileGathering(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		missing := func() (parts []domain.DossierPart) {
			standing, err := l.Standing(t.Context(), "KD1")
			require.NoError(t, err)
			for _, p := range standing.Parts {
				if p.State == domain.PartMissing {
					parts = append(parts, p.Part)
				}
			}
			return parts
		}
		take(t, l, today, "a", loan("KD1", 1000))
		old := order(t, l, "KD1")
		gathered(t, l, "KD1")
		require.Empty(t, missing())
		corrected := loan("KD1", 1000)
		corrected.IBAN, corrected.FullName = "KZ000000000000000001", "Тестовый Другой"
		require.Equal(t, 1, take(t, l, today, "b", corrected).Updated)
		now := order(t, l, "KD1")
		require.Equal(t, []any{old.ID, corrected.IBAN, corrected.FullName}, []any{now.ID, now.IBAN, now.FullName})
		require.Equal(t, []domain.DossierPart{domain.PartStatement}, missing())
		gather(t, l, old, domain.PartStatement, domain.PartGot)
		require.Equal(t, []domain.DossierPart{domain.PartStatement}, missing(), "the old account's statement")
		gather(t, l, now, domain.PartStatement, domain.PartGot)
		require.Empty(t, missing())

		gather(t, l, now, domain.PartScan, domain.PartGot)
		corrected.IINBIN = "000000000001"
		take(t, l, today, "c", corrected)
		require.Equal(t, []domain.DossierPart{domain.PartClient, domain.PartAccounts, domain.PartScan}, missing())
		gather(t, l, order(t, l, "KD1"), domain.PartScan, domain.PartRefused)
		require.True(t, order(t, l, "KD1").NeedsOperator)
		corrected.IINBIN = "000000000002"
		take(t, l, today, "d", corrected)
		require.False(t, order(t, l, "KD1").NeedsOperator, "what was refused is asked for by another IIN")
		sent(t, l, "KD1")
		require.Empty(t, openReasons(t, l))
	})
}

// Once the request is sent a changed account is an incident, once for each change; the debt is
// brought up to date all the same, unless it is in another currency.
func TestLoanChangedAfterSending(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		take(t, l, today, "a", loan("KD1", 1000))
		before := sent(t, l, "KD1")
		changed := loan("KD1", 900)
		changed.IBAN = "KZ000000000000000001"
		for i, day := range []string{today, today, "2026-02-18", "2026-02-19"} {
			taken := take(t, l, day, fmt.Sprint("b", i), changed)
			require.Equal(t, 1, taken.Contradicted)
		}
		now := order(t, l, "KD1")
		require.Equal(t, []any{before.ID, before.IBAN, domain.Money(900), true}, []any{now.ID, now.IBAN, now.Debt, now.NeedsOperator})
		require.Equal(t, []string{"KD1 loan_changed: " + string(before.OrderRef) + ": iban"}, openReasons(t, l))

		// Closed by a person, it does not come back with the next day's report of the same.
		incident := incidentsOf(t, l, storage.IncidentFilter{Process: domain.ProcessPaymentOrder, Subject: "KD1"})[0]
		_, err := l.ActOnIncident(t.Context(), incident.ID, closing("aigul", "i1", domain.ActionClose, noon), storage.IncidentClosing{})
		require.NoError(t, err)
		take(t, l, "2026-02-20", "c", changed)
		require.Empty(t, openReasons(t, l))
		require.False(t, order(t, l, "KD1").NeedsOperator)

		dollars := loan("KD1", 2)
		dollars.Currency = "USD"
		for i := range 2 {
			require.Equal(t, 1, take(t, l, "2026-02-21", fmt.Sprint("d", i), dollars).Contradicted)
		}
		now = order(t, l, "KD1")
		require.Equal(t, []any{"KZT", domain.Money(900)}, []any{now.Currency, now.Debt})
		ref := string(before.OrderRef)
		require.Equal(t, []string{"KD1 loan_changed: " + ref + ": cur"}, openReasons(t, l))

		// It goes on needing a person when the next payment order begins.
		report(t, l, before, "n", domain.StatusNotAccepted, 0)
		require.True(t, order(t, l, "KD1").NeedsOperator)
		require.Equal(t, 1, take(t, l, "2026-02-22", "e", loan("KD1", 1000)).Begun)
		require.True(t, order(t, l, "KD1").NeedsOperator)
	})
}
