package workflows_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/activities"
	"tolem/domain"
	"tolem/partners/processing"
	centre "tolem/simulators/processing"
	"tolem/storage"
	"tolem/workflows"
)

// chosen is the news of a choice and what came of it.
type chosen struct {
	done     bool
	refused  error
	err      error
	state    domain.State
	recorded error // by the ledger
}

func (c *chosen) Accept()          {}
func (c *chosen) Reject(err error) { c.refused = err }
func (c *chosen) Complete(success any, err error) {
	c.done, c.err = true, err
	if got, ok := success.(workflows.ChoiceResult); ok {
		c.state = got.State
	}
}

// record commits a choice as the API does: held against what check offered, then
// written once.
func (b *bank) record(id domain.AgentTransactionID, c processing.Choice, at time.Time) error {
	b.t.Helper()
	p := b.payment(id)
	var offer processing.Reply
	require.NoError(b.t, json.Unmarshal([]byte(p.CheckAnswer), &offer))
	complete, wrong := offer.CheckChoice(processing.Requested{AmountTo: p.AmountTo, AmountFrom: p.AmountFrom}, c, at)
	require.Empty(b.t, wrong)
	raw, err := json.Marshal(complete)
	require.NoError(b.t, err)
	_, err = b.ledger.Choose(b.t.Context(), id, storage.PayerChoice{JSON: string(raw), SHA256: storage.Digest(raw), By: "shop", At: at})
	return err
}

// chooses lays down that the payer chooses at a moment of the skipped time.
func (e *execution) chooses(after time.Duration, c processing.Choice) *chosen {
	e.b.t.Helper()
	news := &chosen{}
	e.RegisterDelayedCallback(func() {
		news.recorded = e.b.record(e.id, c, e.Now())
		e.b.keys++
		e.UpdateWorkflow(activities.UpdateChoose, fmt.Sprint("choice-", e.b.keys), news)
	}, after)
	return news
}

func money(tiyn int64) *domain.Money { m := domain.Money(tiyn); return &m }

// scheme is a payment whose payer has to choose, and a choice that fits.
type scheme struct {
	change func(*storage.Payment)
	asks   domain.Question
	choice processing.Choice
	sends  []string // what every pay carries
	amount int64
}

func schemes() map[string]scheme {
	return map[string]scheme{
		"two stages": {
			func(p *storage.Payment) { p.AutoPay = false }, domain.AsksGoAhead, processing.Choice{},
			[]string{`"amountTo":200.00`, `"amountFrom":200.00`}, 20_000,
		},
		"amount afterwards": {
			func(p *storage.Payment) { p.AutoPay, p.AmountTo = false, nil }, domain.AsksGoAhead, processing.Choice{AmountTo: money(33_300), AmountFrom: money(34_000)},
			[]string{`"amountTo":333.00`, `"amountFrom":340.00`}, 33_300,
		},
		"displays": {
			func(p *storage.Payment) { p.ServiceID, p.Account, p.AutoPay = "P1040", "1234567", false }, domain.AsksGoAhead, processing.Choice{},
			[]string{`"amountTo":200.00`}, 20_000,
		},
		"fixed amount": {
			func(p *storage.Payment) {
				p.ServiceID, p.Account, p.Extras = "P1012", "1234567893", storage.Extras{"account1": "1234567893"}
			}, domain.AsksFixedAmount, processing.Choice{AmountTo: money(2_000_000)},
			[]string{`"amountTo":20000.00`, `"extras":{"account1":"1234567893"}`}, 2_000_000,
		},
		"one of three contracts": {
			func(p *storage.Payment) { p.ServiceID, p.Account = "P0006", "990101300017" }, domain.AsksContract, processing.Choice{ContractID: "000000588"},
			[]string{`"extras":{"contractId":"000000588"}`}, 20_000,
		},
		"the only contract": {
			func(p *storage.Payment) { p.ServiceID, p.Account = "P0006", "990101300011" }, domain.AsksContract, processing.Choice{ContractID: "000000587"},
			[]string{`"extras":{"contractId":"000000587"}`}, 20_000,
		},
		"receipt": {
			func(p *storage.Payment) {
				p.ServiceID, p.Account, p.AmountTo = "P0005", "1234567897", nil
				p.AutoPay = false
			}, domain.AsksReceipt,
			processing.Choice{ExtraServices: []processing.PaidService{
				{SubServiceID: "36", Amount: 35_980, LastCount: pointer("4901")}, {SubServiceID: "2", Amount: 92_520},
			}},
			[]string{`"amountTo":1285.00`, `"extraServices":[{"subServiceId":"36","lastCount":"4901","amount":359.80},{"subServiceId":"2","amount":925.20}]`}, 128_500,
		},
		"international": {
			func(p *storage.Payment) {
				p.ServiceID, p.Account, p.AutoPay = "P1030", "998901234567", false
				p.AmountTo = money(84_000)
			}, domain.AsksGoAhead,
			processing.Choice{}, []string{`"amountTo":840.00`}, 84_000,
		},
		"identified payer": {
			func(p *storage.Payment) {
				p.AutoPay, p.IdentityCard, p.FullName = false, "012345678", "Тестов Тест"
			}, domain.AsksGoAhead, processing.Choice{},
			[]string{`"identityCard":"012345678"`, `"fullName":"Тестов Тест"`}, 20_000,
		},
	}
}

// Every scheme, from what check offers to where the money is.
func TestEveryScheme(t *testing.T) {
	for name, s := range schemes() {
		t.Run(name, func(t *testing.T) {
			b := newBank(t)
			b.scripted("pay", code(1), fault(centre.LostAnswer))
			id := b.accepted(dated(s.change))
			run := b.execution(id)
			run.RegisterDelayedCallback(func() {
				p := b.payment(id)
				require.Equal(t, domain.StateAwaitingPayer, p.State)
				require.Equal(t, s.asks, p.AsksPayer)
				require.Empty(t, b.requests(id, "pay"))
			}, time.Hour)
			news := run.chooses(2*time.Hour, s.choice)
			p := run.finish()

			require.NoError(t, news.recorded)
			require.NoError(t, news.refused)
			require.Equal(t, domain.StatePaying, news.state)
			require.Equal(t, domain.StateSucceeded, p.State)
			require.Empty(t, p.AsksPayer)
			b.moved(id, 1)
			require.EqualValues(t, s.amount, *p.AmountTo)
			require.Len(t, b.requests(id, "pay"), 3)
			b.sameBytes(id, "pay")
			for _, part := range s.sends {
				require.Contains(t, b.requests(id, "pay")[0].Body, part)
			}
			require.Equal(t, 4, p.Attempts)
		})
	}
}

// dated gives a payment today's date, so that its receipt has not expired.
func dated(change func(*storage.Payment)) func(*storage.Payment) {
	return func(p *storage.Payment) {
		p.AgentTransactionDate = time.Now().UTC().Format(processing.DateLayout)
		change(p)
	}
}

// contracts is the choice that the tests of what may go wrong use.
func contracts() scheme { return schemes()["one of three contracts"] }

// The first pay after a choice is the payment's first: its final codes refuse.
func TestFirstPayAfterAChoice(t *testing.T) {
	b := newBank(t)
	b.scripted("pay", code(domain.CodeBadRequest))
	id := b.accepted(contracts().change)
	run := b.execution(id)
	run.chooses(time.Hour, contracts().choice)
	p := run.finish()
	require.Equal(t, domain.StateRefused, p.State)
	require.Equal(t, domain.CodeBadRequest, *p.ResultCode)
	b.moved(id, 0)
}

// Worker and API die after the effect of a chosen pay, a day passes: the money
// moved with that contract, and the payment says so.
func TestChoiceSurvives(t *testing.T) {
	b := newBank(t)
	id := b.accepted(contracts().change)
	b.attemptsOfALostRun(id, 1)
	require.NoError(t, b.record(id, contracts().choice, time.Now()))
	b.commitOfALostRun(id)
	reply, err := b.process().Centre.Pay(t.Context(), b.payment(id).PayBody)
	require.NoError(t, err)
	require.Equal(t, domain.CodeSuccess, reply.Code)
	b.moved(id, 1)

	run := b.execution(id)
	run.SetStartTime(time.Now().Add(25 * time.Hour))
	p := run.finish()
	require.Equal(t, domain.StateSucceeded, p.State)
	b.moved(id, 1)
	b.sameBytes(id, "pay")
	require.Contains(t, b.requests(id, "pay")[0].Body, `"contractId":"000000588"`)
}

// commitOfALostRun commits the intent of a recorded choice in a process that dies.
func (b *bank) commitOfALostRun(id domain.AgentTransactionID) {
	b.t.Helper()
	process := b.process()
	got, err := b.activity(b.t.Context(), process.CommitChoice, process, activities.AttemptInput{PaymentID: id, Step: b.payment(id).Step + 1})
	require.NoError(b.t, err)
	require.Equal(b.t, domain.StatePaying, got.State)
}

// A choice that was recorded while no workflow ran, or of which none was told, is
// found: by a run that takes over, by a nudge, and at the deadline at the latest.
func TestRecordedChoiceIsFound(t *testing.T) {
	for name, tell := range map[string]func(*execution){
		"at the deadline": func(*execution) {},
		"by a nudge": func(e *execution) {
			e.RegisterDelayedCallback(func() {
				e.SignalWorkflow(activities.NudgeSignal, activities.Nudge{Cause: activities.CauseChoice})
			}, 2*time.Hour)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t)
			id := b.accepted(contracts().change)
			run := b.execution(id)
			run.RegisterDelayedCallback(func() { require.NoError(t, b.record(id, contracts().choice, run.Now())) }, time.Hour)
			tell(run)
			p := run.finish()
			require.Equal(t, domain.StateSucceeded, p.State)
			b.moved(id, 1)
			require.Contains(t, b.requests(id, "pay")[0].Body, `"contractId":"000000588"`)
		})
	}
	t.Run("by a run that takes over", func(t *testing.T) {
		b := newBank(t)
		id := b.accepted(contracts().change)
		b.attemptsOfALostRun(id, 1)
		require.NoError(t, b.record(id, contracts().choice, time.Now()))
		p := b.execution(id).finish()
		require.Equal(t, domain.StateSucceeded, p.State)
		b.moved(id, 1)
	})
}

// The deadline is the input's, counted from the answer to check: a run that takes
// over does not begin it again.
func TestPayerDeadline(t *testing.T) {
	b := newBank(t)
	id := b.accepted(contracts().change)
	process := b.process()
	in := step(id, 1)
	in.PayerDeadline = 30 * time.Minute
	_, err := b.activity(t.Context(), process.Check, process, in)
	require.NoError(t, err)
	until := b.payment(id).PayerUntil
	require.NotNil(t, until)

	run := b.execution(id)
	run.input.PayerDeadline = 30 * time.Minute
	run.SetStartTime(until.Add(-10 * time.Minute))
	run.RegisterDelayedCallback(func() {
		require.Equal(t, domain.StateAwaitingPayer, b.payment(id).State)
		b.deadlinePasses()
	}, 9*time.Minute)
	late := run.chooses(11*time.Minute, contracts().choice)
	p := run.finish()
	require.Equal(t, domain.StateExpired, p.State)
	require.False(t, late.done)
	require.Empty(t, b.requests(id, "pay"))
	b.moved(id, 0)
}

// The deadline is the ledger's, by its clock: a run whose own clock is ahead asks again
// until it has passed, and the payer may choose meanwhile.
func TestExpiryWaitsForTheLedgersClock(t *testing.T) {
	for _, chooses := range []bool{false, true} {
		b := newBank(t)
		id := b.accepted(contracts().change)
		run := b.execution(id)
		run.input.PayerDeadline = time.Hour
		run.RegisterDelayedCallback(func() { require.Equal(t, domain.StateAwaitingPayer, b.payment(id).State) }, time.Hour+20*time.Second)
		if chooses {
			run.chooses(time.Hour+22*time.Second, contracts().choice)
		} else {
			run.RegisterDelayedCallback(b.deadlinePasses, time.Hour+22*time.Second)
		}
		p := run.finish()
		require.Equal(t, map[bool]domain.State{false: domain.StateExpired, true: domain.StateSucceeded}[chooses], p.State)
		require.Less(t, run.started["EndPayment"], 8)
		b.moved(id, map[bool]int{false: 0, true: 1}[chooses])
	}
}

// A second news of the same choice, and one to a payment that never asked, change
// nothing.
func TestChoiceToldTwice(t *testing.T) {
	b := newBank(t)
	b.scripted("pay", code(1))
	id := b.accepted(contracts().change)
	run := b.execution(id)
	first := run.chooses(time.Hour, contracts().choice)
	again := run.chooses(time.Hour+500*time.Millisecond, contracts().choice)
	p := run.finish()
	require.NoError(t, first.refused)
	require.Error(t, again.refused, "the door is shut once the payment is paying")
	require.NoError(t, again.recorded)
	require.Equal(t, domain.StateSucceeded, p.State)
	b.moved(id, 1)

	plain := b.accepted(func(p *storage.Payment) { p.IdempotencyKey = "plain" })
	b.scripted("pay", code(1))
	run = b.execution(plain)
	news := &chosen{}
	run.RegisterDelayedCallback(func() { run.UpdateWorkflow(activities.UpdateChoose, "x", news) }, 500*time.Millisecond)
	require.Equal(t, domain.StateSucceeded, run.finish().State)
	require.Error(t, news.refused)
	b.moved(plain, 1)
}

// News without a recorded choice leaves the payment waiting.
func TestNewsWithoutAChoice(t *testing.T) {
	b := newBank(t)
	id := b.accepted(contracts().change)
	run := b.execution(id)
	news := &chosen{}
	run.RegisterDelayedCallback(func() { run.UpdateWorkflow(activities.UpdateChoose, "x", news) }, time.Hour)
	real := run.chooses(2*time.Hour, contracts().choice)
	p := run.finish()
	require.True(t, news.done)
	require.Equal(t, domain.StateAwaitingPayer, news.state)
	require.Equal(t, domain.StatePaying, real.state)
	require.Equal(t, domain.StateSucceeded, p.State)
	b.moved(id, 1)
}

// cancel and pay at the same moment: one of them happens, and both are told which.
func TestCancelAgainstChoice(t *testing.T) {
	for _, cancelFirst := range []bool{true, false} {
		t.Run(fmt.Sprint("cancel first: ", cancelFirst), func(t *testing.T) {
			b := newBank(t)
			id := b.accepted(contracts().change)
			run := b.execution(id)
			o, news := &ordered{}, &chosen{}
			run.RegisterDelayedCallback(func() {
				require.NoError(t, b.record(id, contracts().choice, run.Now()))
				tell := func() { run.UpdateWorkflow(activities.UpdateChoose, "choice", news) }
				if !cancelFirst {
					tell()
				}
				run.order(o, "aigul", domain.ActionCancel, "")
				if cancelFirst {
					tell()
				}
			}, time.Hour)
			p := run.finish()
			switch p.State {
			case domain.StateCancelled:
				o.effect(t, domain.EffectCancelled)
				require.Empty(t, b.requests(id, "pay"))
				b.moved(id, 0)
			default:
				require.Equal(t, domain.StateSucceeded, p.State)
				b.moved(id, 1)
				require.False(t, o.refused == nil && o.Effect == domain.EffectCancelled)
			}
		})
	}
}

// An age limit does not count the payer's time.
func TestPayersTimeIsNotAge(t *testing.T) {
	b := newBank(t)
	b.scripted("pay", centre.Answer{Code: 1, Times: 13})
	id := b.accepted(contracts().change)
	run := b.execution(id)
	run.input.Since, run.input.RaiseAfter = run.Now(), 2*time.Hour
	run.RegisterDelayedCallback(func() { require.False(t, b.payment(id).NeedsOperator) }, 9*time.Hour)
	run.chooses(10*time.Hour, contracts().choice)
	run.RegisterDelayedCallback(func() { require.False(t, b.payment(id).NeedsOperator) }, 12*time.Hour-time.Minute)
	run.RegisterDelayedCallback(func() { require.True(t, b.payment(id).NeedsOperator) }, 12*time.Hour+time.Minute)
	require.Equal(t, domain.StateSucceeded, run.finish().State)
	b.moved(id, 1)
}
