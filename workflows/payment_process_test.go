package workflows_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"tolem/domain"
	centre "tolem/simulators/processing"
	"tolem/storage"
)

func TestPaymentSucceedsAtOnce(t *testing.T) {
	b := newBank(t)
	p := b.run(nil)

	require.Equal(t, domain.StateSucceeded, p.State)
	b.moved(p.ID, 1)
	require.Len(t, b.requests(p.ID, "check"), 1)
	require.Len(t, b.requests(p.ID, "pay"), 1)
	booked, _ := b.centre.Payment(int64(p.ID))
	require.Equal(t, booked.TransactionID, *p.TransactionID)
	require.Equal(t, booked.TransactionDate, p.TransactionDate)
	require.Equal(t, booked.StatusDate, p.StatusDate)
	require.Equal(t, 2, p.Attempts)
	require.False(t, p.NeedsOperator)
}

// amountFrom, what the payer handed over, goes along at both steps.
func TestAmountFromIsSent(t *testing.T) {
	b := newBank(t)
	p := b.run(func(p *storage.Payment) { p.AmountFrom = pointer(domain.Money(21_000)) })

	require.Equal(t, domain.StateSucceeded, p.State)
	b.moved(p.ID, 1)
	booked, _ := b.centre.Payment(int64(p.ID))
	require.EqualValues(t, 21_000, booked.AmountFrom)
	require.Contains(t, b.requests(p.ID, "check")[0].Body, `"amountFrom":210.00`)
}

// Table 1 at check: "check, no pay ever sent: 0 go on; 1/153/220/255 repeat;
// 215 stops; everything else refused".
func TestEveryCodeAtCheck(t *testing.T) {
	for _, c := range append(domain.Codes(), 999, -5) {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			b := newBank(t)
			b.scripted("check", centre.Answer{Code: int(c), Times: 3, Transient: c != 0})
			if c == domain.CodeNumberExists {
				b.numberExists("check")
				return
			}
			p := b.run(nil)

			if c == domain.CodeSuccess || (c.Known() && !c.Final()) {
				require.Equal(t, domain.StateSucceeded, p.State)
				b.moved(p.ID, 1)
				return
			}
			require.Equal(t, domain.StateRefused, p.State)
			require.Equal(t, c, *p.ResultCode)
			b.moved(p.ID, 0)
			require.Empty(t, b.requests(p.ID, "pay"))
			require.Len(t, b.requests(p.ID, "check"), 1)
		})
	}
}

// Table 1 at the very first pay: every final code is what it says, but 215.
func TestEveryCodeAtFirstPay(t *testing.T) {
	for _, c := range domain.Codes() {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			b := newBank(t)
			b.scripted("pay", code(c))
			if c == domain.CodeNumberExists {
				b.numberExists("pay")
				return
			}
			p := b.run(nil)

			if c == domain.CodeSuccess || !c.Final() {
				require.Equal(t, domain.StateSucceeded, p.State)
				b.moved(p.ID, 1)
				return
			}
			require.Equal(t, domain.StateRefused, p.State)
			require.Equal(t, c, *p.ResultCode)
			b.moved(p.ID, 0)
			require.Len(t, b.requests(p.ID, "pay"), 1)
		})
	}
}

// Table 1 at a later pay whose predecessor did not move the money: the centre's
// final codes end the payment, but 202 and 215 refuse nothing.
func TestEveryCodeAtLaterPay(t *testing.T) {
	for _, c := range domain.Codes() {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			b := newBank(t)
			again := code(c)
			if c == domain.CodeBadRequest || c == domain.CodeNumberExists {
				again = once(c) // they speak of the repetition, not of the payment
			}
			b.scripted("pay", code(domain.CodeInProgress), again)
			p := b.run(nil)

			if c.Final() && c != domain.CodeSuccess && c != domain.CodeBadRequest && c != domain.CodeNumberExists {
				require.Equal(t, domain.StateRefused, p.State)
				b.moved(p.ID, 0)
				return
			}
			require.Equal(t, domain.StateSucceeded, p.State)
			b.moved(p.ID, 1)
			b.sameBytes(p.ID, "pay")
		})
	}
}

// Whatever goes wrong between the partner and us, the money moves once and the
// ledger says so.
func TestEveryFault(t *testing.T) {
	faults := []centre.Answer{
		fault(centre.LostAnswer), fault(centre.LostAnswerMidway), fault(centre.ResetBefore), fault(centre.HTML502),
		fault(centre.TruncatedJSON), fault(centre.Garbage), fault(centre.Redirect), fault(centre.Oversize), fault(centre.Empty),
		fault(centre.MissingResult), fault(centre.TextResult), fault(centre.WrongEcho), fault(centre.Hang),
		{Fault: centre.StatusAfter, Status: 500}, {Fault: centre.StatusAfter, Status: 401}, {Fault: centre.Status, Status: 403},
		{Fault: centre.Status, Status: 404}, {Fault: centre.Status, Status: 408}, {Fault: centre.Status, Status: 429}, {Fault: centre.Status, Status: 503},
	}
	for _, call := range []string{"check", "pay"} {
		for _, f := range faults {
			t.Run(fmt.Sprintf("%s/%s%d", call, f.Fault, f.Status), func(t *testing.T) {
				b := newBank(t)
				b.timeout = 200 * time.Millisecond // ends a hang
				f.Times = 2
				b.scripted(call, f)
				p := b.run(nil)

				require.Equal(t, domain.StateSucceeded, p.State)
				b.moved(p.ID, 1)
				b.sameBytes(p.ID, call)
				require.Len(t, b.requests(p.ID, call), 3)
				for _, r := range b.requests(p.ID, call) {
					require.False(t, r.Redirected)
				}
			})
		}
	}
}

// "Пока не получит финальный код ответа … постоянно увеличивая интервал не
// изменяя данных в теле запроса".
func TestIntervalsGrowAndBytesStay(t *testing.T) {
	b := newBank(t)
	b.scripted("check", code(domain.CodeInProgress), fault(centre.HTML502))
	b.scripted("pay", code(1), code(153), code(220), code(255), fault(centre.ResetBefore), fault(centre.LostAnswer), once(999), code(1))
	p := b.run(nil)

	require.Equal(t, domain.StateSucceeded, p.State)
	b.moved(p.ID, 1)
	for _, call := range []string{"check", "pay"} {
		b.sameBytes(p.ID, call)
		requests := b.requests(p.ID, call)
		require.Greater(t, len(requests), 2)
		before := time.Duration(0)
		for i := 1; i < len(requests); i++ {
			interval := requests[i].Time.Sub(requests[i-1].Time)
			require.Greater(t, interval, before, "%s, interval %d", call, i)
			before = interval
		}
	}
	attempts, err := b.ledger.Attempts(t.Context(), p.ID.WorkflowID(), 0, 100)
	require.NoError(t, err)
	require.Len(t, attempts, 12)
	for i, a := range attempts {
		require.Equal(t, i+1, a.Attempt)
		require.True(t, a.Reported)
		require.Equal(t, domain.CauseScheduled, a.Cause)
	}
}

// Codes outside the table and echoes of other payments raise the flag while the
// payment goes on.
func TestStrangeAnswersCallAnOperator(t *testing.T) {
	for name, c := range map[string]struct {
		answer centre.Answer
		reason domain.OperatorReason
	}{
		"unknown code":          {once(999), domain.ReasonUnknownCode},
		"negative code":         {once(-1), domain.ReasonUnknownCode},
		"wrong echo":            {fault(centre.WrongEcho), domain.ReasonStrangeEcho},
		"no echo":               {centre.Answer{AgentTransactionID: []byte("null")}, domain.ReasonStrangeEcho},
		"foreign transactionId": {fault(centre.DuplicateTransactionID), domain.ReasonStrangeEcho},
		"401":                   {centre.Answer{Fault: centre.StatusAfter, Status: 401}, domain.ReasonRejected},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t)
			other := b.run(func(p *storage.Payment) { p.IdempotencyKey = "other" })
			b.scripted("pay", c.answer)
			id := b.accepted(nil)
			run := b.execution(id)
			run.RegisterDelayedCallback(func() { // in the first wait
				p := b.payment(id)
				require.Equal(t, domain.StatePaying, p.State)
				require.True(t, p.NeedsOperator)
				require.Equal(t, c.reason, p.OperatorReason)
				require.NotNil(t, p.NextAttemptAt)
			}, 500*time.Millisecond)
			p := run.finish()

			require.Equal(t, domain.StateSucceeded, p.State)
			require.False(t, p.NeedsOperator)
			b.moved(p.ID, 1)
			b.moved(other.ID, 1)
			require.NotEqual(t, *other.TransactionID, *p.TransactionID)
		})
	}
}

func TestBalanceRunsOutAndComesBack(t *testing.T) {
	b := newBank(t)
	require.NoError(t, b.centre.SetBalance(0))
	id := b.accepted(nil)
	run := b.execution(id)
	run.RegisterDelayedCallback(func() {
		require.EqualValues(t, domain.CodeAgentLacksFunds, *b.payment(id).ResultCode)
		b.moved(id, 0)
		require.NoError(t, b.centre.SetBalance(10_000_000))
	}, 20*time.Second)
	p := run.finish()

	require.Equal(t, domain.StateSucceeded, p.State)
	b.moved(id, 1)
}

// A worker that died after the partner's effect and before our record: whatever
// the centre then answers to a repeated check or pay, and even with a Cancel
// waiting, the payment is never refused and never cancelled.
func TestTakeOverAfterLostRecord(t *testing.T) {
	for _, cancelled := range []bool{false, true} {
		for _, answer := range []domain.Code{domain.CodeNumberExists, domain.CodeBadRequest} {
			t.Run(fmt.Sprintf("%d cancelled=%v", answer, cancelled), func(t *testing.T) {
				b := newBank(t)
				id := b.accepted(nil)
				b.dieAfterEffect(id)
				b.moved(id, 1)
				b.scripted("check", centre.Answer{Code: int(domain.CodeServiceClosed), Transient: true, Times: 9})
				b.scripted("pay", once(answer))

				run := b.execution(id)
				limited := 0 // pays on the queue whose rate limit holds across workers
				run.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, _ converter.EncodedValues) {
					if info.ActivityType.Name == "Pay" {
						limited++
					}
				})
				if cancelled {
					run.RegisterDelayedCallback(run.CancelWorkflow, 0)
				}
				p := run.finish()

				require.Equal(t, domain.StateSucceeded, p.State)
				b.moved(id, 1)
				require.Len(t, b.requests(id, "check"), 1, "only the dead worker's")
				require.Equal(t, 2, limited, "no pay of a run that takes over is a first one")
				b.sameBytes(id, "pay")
				attempts, err := b.ledger.Attempts(t.Context(), id.WorkflowID(), 0, 100)
				require.NoError(t, err)
				require.False(t, attempts[1].Reported, "the dead worker's pay")
				require.Equal(t, domain.CauseRecovery, attempts[2].Cause)
			})
		}
	}
}

// A run that takes over goes on up the ladder; it does not begin it again.
func TestTakeOverGoesOnUpTheLadder(t *testing.T) {
	b := newBank(t)
	id := b.accepted(nil)
	b.scripted("pay", centre.Answer{Code: 1, Times: 5})
	b.attemptsOfALostRun(id, 4) // check, pay, and pay after waits of 1 and 2 seconds
	before := b.payment(id)
	require.Equal(t, 3, before.Waits)

	p := b.execution(id).finish()
	require.Equal(t, domain.StateSucceeded, p.State)
	b.moved(id, 1)
	attempts, err := b.ledger.Attempts(t.Context(), id.WorkflowID(), 0, 100)
	require.NoError(t, err)
	waited := time.Duration(0)
	for _, a := range attempts {
		if a.Waited > 0 {
			require.Greater(t, a.Waited, waited)
			waited = a.Waited
		}
	}
	require.Equal(t, 16*time.Second, waited)
}

func TestCancelBeforePay(t *testing.T) {
	b := newBank(t)
	b.scripted("check", centre.Answer{Code: 1, Times: 100})
	id := b.accepted(nil)
	run := b.execution(id)
	run.RegisterDelayedCallback(run.CancelWorkflow, 10*time.Second)
	p := run.finish()

	require.Equal(t, domain.StateCancelled, p.State)
	b.moved(id, 0)
	require.Empty(t, b.requests(id, "pay"))
}

// Cancel from Temporal after pay was sent is journalled and flagged, nothing else.
func TestCancelAfterPay(t *testing.T) {
	b := newBank(t)
	b.scripted("pay", fault(centre.LostAnswer), centre.Answer{Fault: centre.HTML502, Times: 5})
	id := b.accepted(nil)
	run := b.execution(id)
	run.RegisterDelayedCallback(run.CancelWorkflow, 2*time.Second)
	run.RegisterDelayedCallback(func() {
		require.True(t, b.payment(id).NeedsOperator)
		require.Equal(t, domain.ReasonCancelledRun, b.payment(id).OperatorReason)
	}, 5*time.Second)
	p := run.finish()

	require.Equal(t, domain.StateSucceeded, p.State)
	b.moved(id, 1)
}

// An answer that asks the payer stops the payment; nothing is sent when the
// payer does not choose.
func TestPayerIsAsked(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*storage.Payment)
		asks   domain.Question
	}{
		"two stages": {func(p *storage.Payment) { p.AutoPay = false }, domain.AsksGoAhead},
		"contracts":  {func(p *storage.Payment) { p.ServiceID, p.Account = "P0006", "990101300017" }, domain.AsksContract},
		"receipt":    {func(p *storage.Payment) { p.ServiceID, p.Account = "P0005", "1234567897" }, domain.AsksReceipt},
		"fixed amount": {func(p *storage.Payment) {
			p.ServiceID, p.Account = "P1012", "1234567893"
			p.Extras = storage.Extras{"account1": "1234567893"}
			p.AmountTo = pointer(domain.Money(77_777))
		}, domain.AsksFixedAmount},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t)
			id := b.accepted(c.change)
			run := b.execution(id)
			run.RegisterDelayedCallback(func() {
				require.Equal(t, domain.StateAwaitingPayer, b.payment(id).State)
				require.Equal(t, c.asks, b.payment(id).AsksPayer)
				b.deadlinePasses()
			}, 23*time.Hour)
			p := run.finish()

			require.Equal(t, domain.StateExpired, p.State)
			b.moved(id, 0)
			require.Empty(t, b.requests(id, "pay"))
		})
	}
}

// A contract chosen in the request goes through without asking.
func TestContractChosenInTheRequest(t *testing.T) {
	b := newBank(t)
	p := b.run(func(p *storage.Payment) {
		p.ServiceID, p.Account = "P0006", "990101300017"
		p.Extras = storage.Extras{"contractId": "000000588"}
	})
	require.Equal(t, domain.StateSucceeded, p.State)
	b.moved(p.ID, 1)
}
