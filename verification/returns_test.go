package verification

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// back is a return of goods that a test moves.
type back struct{ *instalment }

// returns accepts a return of 400.00 of a sale that is paid out.
func (b *books) returns() back {
	b.Helper()
	s := b.active().pays()
	_, created, err := b.AcceptReturn(b.Context(), storage.OrderReturn{
		OrderID: saleID, ID: returnID, Caller: "till", RequestSHA256: "sha", Sum: 40_000, Body: []byte(`{"return":1}`), RetryInitial: time.Second, RetryFactorMilli: 2000, CreatedAt: storage.At(time.Now()),
	})
	b.do(err)
	require.True(b, created)
	return back{s}
}

func (g back) call(name string) storage.ReturnCall {
	c := g.instalment.call(name)
	c.Process = g.process()
	return storage.ReturnCall{OrderID: saleID, ID: returnID, Call: c}
}

// sends has a return end with an outcome.
func (g back) sends(o storage.Outcome) back {
	g.Helper()
	c := g.call("return")
	begun, err := g.BeginReturn(g.Context(), c)
	g.do(err)
	require.True(g, begun.OK)
	c.Call.Attempt = begun.Attempt
	after := storage.ReturnAfter{}
	if o.Kind == storage.Answered {
		after.State = domain.ReturnReturned
	}
	_, err = g.RecordReturn(g.Context(), c, begun.Started, o, after)
	g.do(err)
	return g
}

// lists has the bank say what it has taken back so far.
func (g back) lists(sum domain.Money) back {
	g.Helper()
	after := storage.ReturnAfter{}
	if sum == 40_000 {
		after.State = domain.ReturnReturned
	}
	_, err := g.RecordReturn(g.Context(), g.call("order_data"), 0, bankSays(sum.String()), after)
	g.do(err)
	return g
}

func (g back) process() string { return saleID.ReturnWorkflowID(returnID) }

// Returns as Tolem keeps them.
var (
	keepReturned   = func(b *books) string { return b.returns().sends(lost).sends(bankSays("")).process() }
	keepListed     = func(b *books) string { return b.returns().lists(0).sends(lost).lists(0).lists(40_000).process() }
	keepUnreturned = func(b *books) string { return b.returns().sends(refusal400).process() }
	keepReturning  = func(b *books) string { return b.returns().sends(lost).lists(0).process() }
)

func TestReturnFindings(t *testing.T) {
	t.Parallel()
	run(t, map[string]planted{
		"accepted":  {keep: func(b *books) string { return b.returns().process() }},
		"returning": {keep: keepReturning},
		"returned":  {keep: keepReturned},
		"listed":    {keep: keepListed},

		"returned, and the bank did not take it":    {keepReturned, sqls(`UPDATE journal SET outcome = 'unknown', failure = 'reset' WHERE call = 'return' AND phase = 'outcome'`), StateFollows},
		"returned, and the bank lists another sum":  {keepListed, sqls(`UPDATE journal SET result_message = '1.00' WHERE call = 'order_data'`), StateFollows},
		"returned, and nobody was asked afterwards": {keepListed, sqls(`DELETE FROM journal WHERE call = 'order_data'`), StateFollows},
		"returned, and the bank was asked before alone": {keepListed, sqls(`DELETE FROM journal WHERE call = 'order_data' AND id > (SELECT min(id) FROM journal WHERE call = 'order_data')`,
			`UPDATE journal SET result_message = '' WHERE call = 'order_data'`), StateFollows},
		"resolved as failed, and the bank took it": {func(b *books) string {
			g := b.returns().sends(lost)
			for _, who := range []string{"ayan", "dina"} {
				_, _, _, err := b.ActOnReturn(b.Context(), saleID, returnID, b.word(g.process(), who, domain.ActionResolve, string(domain.ReturnFailed)))
				b.do(err)
			}
			return g.process()
		}, sqls(`UPDATE journal SET outcome = 'answered', failure = '' WHERE call = 'return' AND phase = 'outcome'`), StateFollows},
		"failed, and the bank took it":        {keepUnreturned, sqls(`UPDATE journal SET outcome = 'answered', failure = '' WHERE call = 'return' AND phase = 'outcome'`), StateFollows},
		"failed, and a return was lost":       {keepUnreturned, sqls(`UPDATE journal SET outcome = 'unknown', failure = 'reset' WHERE call = 'return' AND phase = 'outcome'`), StateFollows},
		"failed, and a return has no outcome": {keepUnreturned, sqls(`DELETE FROM journal WHERE call = 'return' AND phase = 'outcome'`), StateFollows},
		"failed, and it was never sent":       {func(b *books) string { return b.returns().process() }, sqls(`UPDATE order_returns SET state = 'failed'`), StateFollows},
		"accepted, and a return was begun":    {keepReturning, sqls(`UPDATE order_returns SET sent_at = NULL`), StateFollows},
	})
}
