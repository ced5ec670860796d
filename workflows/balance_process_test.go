package workflows_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/testsuite"
	"golang.org/x/time/rate"

	"tolem/activities"
	"tolem/domain"
	centre "tolem/simulators/processing"
	"tolem/storage"
)

func TestTheBalanceIsKeptAndShown(t *testing.T) {
	w := newWatched(t)
	require.Equal(t, map[string]float64{"balance_failures_total": 0}, w.gauges(), "nothing is known yet")
	before := time.Now()
	result := w.sees(509_455*tenge + 9_000)

	require.Equal(t, "509455.9000", result.Balance.String())
	require.False(t, result.Rose)
	row := w.newest()
	require.EqualValues(t, 4, row.AgentID)
	require.Equal(t, "509455.9000", row.Balance.String())
	require.Equal(t, "0.0000", row.Overdraft.String())
	require.Equal(t, "0.0000", row.Notification.String())
	require.Equal(t, "KZT", row.Currency)
	shown := w.gauges()
	require.GreaterOrEqual(t, shown["balance_read_timestamp_seconds"], float64(before.Unix()))
	delete(shown, "balance_read_timestamp_seconds")
	require.Equal(t, map[string]float64{
		"balance": 509455.9, "overdraft": 0, "notification": 0, "balance_low overdraft": 0, "balance_low notification": 0, "balance_failures_total": 0,
	}, shown)

	require.NoError(t, w.centre.SetNotification(nil)) // optional in the document
	w.sees(-5_000)
	shown = w.gauges()
	require.NotContains(t, shown, "notification")
	require.Equal(t, -0.5, shown["balance"])
	require.Equal(t, 1.0, shown["balance_low overdraft"])
	require.Equal(t, 0.0, shown["balance_low notification"])
	require.Nil(t, w.newest().Notification)
}

func TestARiseTellsWhoWaitsForFunds(t *testing.T) {
	w := newWatched(t)
	ids := w.waiting(3)
	w.scripted("check", code(domain.CodeAgentLacksFunds), code(domain.CodeInProgress))
	for _, key := range []string{"lacks funds at check", "in progress", "not asked yet"} {
		ids = append(ids, w.accepted(func(p *storage.Payment) { p.IdempotencyKey = key }))
	}
	w.attemptsOfALostRun(ids[3], 1)
	w.attemptsOfALostRun(ids[4], 1)
	w.log.Reset()
	w.temporal.refusing(func(id string) error {
		if id == ids[1].WorkflowID() {
			return serviceerror.NewNotFound("workflow not found")
		}
		return nil
	})

	w.sees(10000 * tenge)
	w.told() // the first reading has nothing before it

	result := w.sees(10000*tenge + 1) // a hundredth of a tiyn is a rise
	require.Equal(t, activities.BalanceResult{Balance: result.Balance, Rose: true, Nudged: 3, Missing: 1}, result)
	taken, refused := w.temporal.news()
	require.Equal(t, nudges(ids[0], ids[2], ids[3]), taken)
	require.Equal(t, []string{ids[1].WorkflowID()}, refused)
	require.True(t, w.newest().Woken)
	require.Equal(t, []string{"INFO the balance rose, payments that it can pay were woken"}, w.lines())

	for _, balance := range []int64{10000*tenge + 1, 10000 * tenge, 9900 * tenge, 9900 * tenge} { // equal and falling
		result := w.sees(balance)
		require.Equal(t, activities.BalanceResult{Balance: result.Balance}, result)
		w.told()
	}
	require.Empty(t, w.lines())
}

// Temporal stops answering midway: the repetitions of the activity go on where it
// stopped, and what they could not do the next run does, although the balance
// fell meanwhile. Then the rise is done with.
func TestAnInterruptedWakeIsFinished(t *testing.T) {
	w := newWatched(t)
	ids := w.waiting(4)
	w.sees(10000 * tenge)
	taken := 0
	w.temporal.refusing(func(string) error {
		if taken++; taken > 2 {
			return serviceerror.NewPermissionDenied("no", "")
		}
		return nil
	})
	require.NoError(t, w.centre.SetBalance(20000*tenge))
	_, err := w.look()
	require.ErrorContains(t, err, "tell payment "+ids[2].String())
	told, refused := w.temporal.news()
	require.Equal(t, nudges(ids[0], ids[1]), told)
	require.Equal(t, []string{ids[2].WorkflowID(), ids[2].WorkflowID(), ids[2].WorkflowID()}, refused)
	require.True(t, w.newest().Rose)
	require.False(t, w.newest().Woken)

	w.temporal.refusing(nil)
	w.centre.SetDown(true)
	result, err := w.look()
	require.NoError(t, err)
	require.Equal(t, activities.BalanceResult{Failure: "reset"}, result)
	w.told() // a centre that does not answer is no reason to ask it more
	w.centre.SetDown(false)

	result = w.sees(15000 * tenge)
	require.False(t, result.Rose)
	require.Equal(t, 4, result.Nudged)
	w.told(ids...)
	w.sees(15000 * tenge)
	w.told()
}

// What an attempt of the activity reported before it died counts for its own rise
// only.
func TestWhereARepetitionGoesOn(t *testing.T) {
	w := newWatched(t)
	ids := w.waiting(3)
	w.sees(10000 * tenge)
	require.NoError(t, w.centre.SetBalance(20000*tenge))
	repeat := func(details any) {
		env := (&testsuite.WorkflowTestSuite{}).NewTestActivityEnvironment()
		activities.Register(env, w.activity)
		env.SetHeartbeatDetails(details)
		_, err := env.ExecuteActivity(w.activity.WatchBalance, activities.BalanceInput{})
		require.NoError(t, err)
	}
	rise := w.newest().ID + 1
	second := w.payment(ids[1]).CreatedAt
	repeat(map[string]any{"rise": rise, "after": ids[1], "afterAt": second, "left": 200})
	w.told(ids[2])

	require.NoError(t, w.centre.SetBalance(30000*tenge))
	repeat(map[string]any{"rise": rise, "after": ids[1], "afterAt": second, "left": 200})
	w.told(ids...)
	require.NoError(t, w.centre.SetBalance(35000*tenge))
	repeat(map[string]any{"rise": rise + 2, "after": ids[1]}) // an older version's
	w.told(ids...)
	require.NoError(t, w.centre.SetBalance(36000*tenge))
	repeat(map[string]any{"rise": rise + 3, "after": ids[1], "afterAt": second, "left": 199.99}) // spent by those before
	w.told()
	require.NoError(t, w.centre.SetBalance(40000*tenge))
	repeat("written by another version")
	w.told(ids...)
}

// One payment whose workflow takes no signal does not keep the others waiting.
func TestAPaymentThatTakesNoNudge(t *testing.T) {
	w := newWatched(t)
	ids := w.waiting(3)
	w.sees(10000 * tenge)
	w.temporal.refusing(func(id string) error {
		if id == ids[0].WorkflowID() {
			return serviceerror.NewInvalidArgument("exceeded workflow execution limit for signal events")
		}
		return nil
	})
	result := w.sees(20000 * tenge)
	require.Equal(t, 1, result.Failed)
	require.Equal(t, 2, result.Nudged)
	require.True(t, w.newest().Woken)
	told, _ := w.temporal.news()
	require.Equal(t, nudges(ids[1], ids[2]), told)
	require.Contains(t, w.lines(), "WARN a payment's workflow took no nudge; its own ladder goes on")
}

// With three signals to spare and the next one due after the activity's own time
// is over, three payments are told.
func TestNudgesAreRateLimited(t *testing.T) {
	w := newWatched(t)
	ids := w.waiting(5)
	w.sees(10000 * tenge)
	w.activity.Nudges = rate.NewLimiter(rate.Every(24*time.Hour), 3)
	require.NoError(t, w.centre.SetBalance(20000*tenge))
	_, err := w.look()
	require.ErrorContains(t, err, "wait for the turn of payment "+ids[3].String())
	w.told(ids[:3]...)
	require.False(t, w.newest().Woken)

	limiter := activities.NudgeLimiter()
	require.EqualValues(t, 50, limiter.Limit())
	require.Equal(t, 1, limiter.Burst())
}

// More payments wait than one page of the ledger holds.
func TestEveryPageIsTold(t *testing.T) {
	w := newWatched(t)
	const many = 501
	lacks := domain.CodeAgentLacksFunds
	var want []domain.AgentTransactionID
	for i := range many {
		id := w.accepted(func(p *storage.Payment) { p.IdempotencyKey = fmt.Sprint(i) })
		_, _, err := w.ledger.RecordCheck(t.Context(), storage.CheckRecord{
			Call:    storage.Call{Process: id.WorkflowID(), Name: "check", Step: 1, Attempt: 1, At: time.Now()},
			Outcome: storage.Outcome{Kind: storage.Answered, Code: &lacks}, After: storage.After{State: domain.StateChecking},
		})
		require.NoError(t, err)
		want = append(want, id)
	}
	w.sees(10000 * tenge)
	require.Equal(t, many, w.sees(200_000*tenge).Nudged)
	w.told(want...)
}

// costs makes the payments wait for funds with these amounts, in tiyn, accepted one after
// the other; 0 is one without an amount.
func (w *watched) costs(amounts ...domain.Money) (ids []domain.AgentTransactionID) {
	w.t.Helper()
	lacks := domain.CodeAgentLacksFunds
	for i, amount := range amounts {
		id := w.accepted(func(p *storage.Payment) {
			p.ID = domain.AgentTransactionID(1000 - i) // ids say nothing about the order
			p.IdempotencyKey, p.AmountTo, p.CreatedAt = fmt.Sprint("costs ", i), &amount, storage.At(time.Now().Add(time.Duration(i-100)*time.Second))
			if amount == 0 {
				p.AmountTo, p.AutoPay = nil, false
			}
		})
		_, _, err := w.ledger.RecordCheck(w.t.Context(), storage.CheckRecord{
			Call:    storage.Call{Process: id.WorkflowID(), Name: "check", Step: 1, Attempt: 1, At: time.Now()},
			Outcome: storage.Outcome{Kind: storage.Answered, Code: &lacks}, After: storage.After{State: domain.StateChecking},
		})
		require.NoError(w.t, err)
		ids = append(ids, id)
	}
	return ids
}

// A rise wakes as many payments as it pays, in the order of their acceptance: each takes
// its amount from what is above the overdraft level, and one that is too large for what is
// left is passed over.
func TestARiseWakesWhomItPays(t *testing.T) {
	w := newWatched(t)
	require.NoError(t, w.centre.SetThresholds(50*tenge, 0))
	ids := w.costs(300_00, 1000_00, 150_00, 100_00, 51_00, 50_00)
	w.sees(60 * tenge)
	result := w.sees(650 * tenge) // 600 above the overdraft level: 300 + 150 + 100 + 50
	w.told(ids[0], ids[2], ids[3], ids[5])
	require.Equal(t, 4, result.Nudged)
	require.True(t, w.newest().Woken)
	w.sees(650*tenge + 1)
	w.told(ids[0], ids[2], ids[3], ids[5])
	w.sees(40 * tenge)
	w.sees(50 * tenge) // a rise, and nothing above the level
	w.told()
	require.True(t, w.newest().Woken)
}

// Many small top-ups do not turn a large payment's growing interval into a constant one: it
// is woken by the one that makes the balance large enough.
func TestSmallTopUpsLeaveALargePaymentAlone(t *testing.T) {
	w := newWatched(t)
	large := w.costs(1000_00)[0]
	w.sees(0)
	for n := int64(1); n < 100; n++ {
		require.Zero(t, w.sees(n*10*tenge).Nudged, "%d tenge", n*10)
	}
	w.told()
	require.Zero(t, w.sees(1000*tenge-1).Nudged)
	require.Equal(t, 1, w.sees(1000*tenge).Nudged)
	w.told(large)
}

// A check without an amount was answered 220 because the centre took no payment at all: it
// is woken when that changes, and by no later rise.
func TestARiseAndPaymentsWithoutAnAmount(t *testing.T) {
	w := newWatched(t)
	ids := w.costs(0, 100_00)
	w.sees(0)
	w.sees(50 * tenge)
	w.told(ids[0])
	w.sees(60 * tenge)
	w.told()
	w.sees(200 * tenge)
	w.told(ids[1])
}

// "сумма баланса, при достижении которого прием платежей будет отключен
// автоматически" (overdraft, 0 here), "… будет отправлено уведомление сотруднику
// Агента" (notification): one line when it is reached, none while it lasts.
func TestCrossingsAreLoggedOnce(t *testing.T) {
	w := newWatched(t)
	notification := int64(500 * tenge)
	require.NoError(t, w.centre.SetNotification(&notification))
	const (
		recovered = "INFO the agent's balance has recovered"
		low       = "WARN the agent's balance is at or under notification: top it up before payments are switched off"
		off       = "ERROR the agent's balance is at or under overdraft: the processing centre switches payments off until it is topped up"
		woke      = "INFO the balance rose, payments that it can pay were woken"
	)
	for i, c := range []struct {
		balance                 int64
		lines                   []string
		notification, overdraft float64
	}{
		{1000 * tenge, nil, 0, 0},
		{500*tenge + 1, nil, 0, 0},
		{500 * tenge, []string{low}, 1, 0}, // reached
		{500 * tenge, nil, 1, 0},
		{1, nil, 1, 0},
		{0, []string{off}, 1, 1}, // reached
		{0, nil, 1, 1},
		{-1, nil, 1, 1},
		{200 * tenge, []string{low, woke}, 1, 0},
		{500*tenge + 1, []string{recovered, woke}, 0, 0},
		{0, []string{off}, 1, 1},
		{1000 * tenge, []string{recovered, woke}, 0, 0},
		{1001 * tenge, []string{woke}, 0, 0},
	} {
		w.sees(c.balance)
		require.Equal(t, c.lines, w.lines(), "step %d", i)
		shown := w.gauges()
		require.Equal(t, 500.0, shown["notification"])
		require.Equal(t, c.notification, shown["balance_low notification"], "step %d", i)
		require.Equal(t, c.overdraft, shown["balance_low overdraft"], "step %d", i)
	}
}

// The first reading of all may be a low one.
func TestAFirstLowBalanceIsLogged(t *testing.T) {
	w := newWatched(t)
	w.sees(0)
	require.Len(t, w.lines(), 1)
}

// No answer is a result: counted, logged, kept nowhere, and asked again by the
// schedule only.
func TestNoBalanceFromTheCentre(t *testing.T) {
	for name, c := range map[string]struct {
		answer centre.Answer
		want   string
	}{
		"refused": {code(domain.CodeTechnicalBan), "code 8"},
		"502":     {fault(centre.HTML502), "status"},
		"garbage": {fault(centre.Garbage), "not_json"},
		"hang":    {fault(centre.Hang), "timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWatched(t)
			w.sees(100 * tenge)
			w.timeout = 200 * time.Millisecond // ends a hang
			w.activity.Centre = w.process().Centre
			shown := w.gauges()
			require.NoError(t, w.centre.SetBalance(0))
			w.scripted("balance", c.answer)
			result, err := w.look()
			require.NoError(t, err)
			require.Equal(t, activities.BalanceResult{Failure: c.want}, result)
			require.Equal(t, []string{"WARN balance not read; it is asked again in a minute"}, w.lines())
			require.Equal(t, "100.0000", w.newest().Balance.String())
			shown["balance_failures_total"] = 1
			require.Equal(t, shown, w.gauges(), "the last reading stays, and says how old it is")
			require.Len(t, w.requests(0, "balance"), 2)
		})
	}
}

func TestNoLedgerForTheBalance(t *testing.T) {
	w := newWatched(t)
	other, err := storage.Open(t.Context(), "sqlite://"+t.TempDir()+"/empty.db") // nothing migrated
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, other.Close()) })
	w.activity.Ledger = other
	_, err = w.look()
	require.ErrorContains(t, err, "record the balance")
}
