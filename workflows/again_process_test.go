package workflows_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	centre "tolem/simulators/processing"
)

// A payment that has ended may be started once more: the run finds the end in the
// ledger, calls nobody and changes nothing.
func TestRunOfAnEndedPaymentEndsAtOnce(t *testing.T) {
	b := newBank(t)
	id := b.accepted(nil)
	ended := b.execution(id).finish()
	require.Equal(t, domain.StateSucceeded, ended.State)
	sent := len(b.centre.Requests(int64(id)))

	run := b.execution(id)
	require.Equal(t, ended, run.finish())
	require.Len(t, b.centre.Requests(int64(id)), sent)
	require.Zero(t, run.timers)
	b.moved(id, 1)
}

// A row that a restored ledger has open again, although its workflow completed, goes on
// from where the ledger stands, with the same bytes: the money moves once.
func TestReopenedRowGoesOn(t *testing.T) {
	for name, c := range map[string]struct {
		pays []centre.Answer
		lost string // what the restored ledger does not have
		want domain.State
	}{
		"paying, paid":    {nil, "state = 'paying', transaction_id = NULL, step = 2", domain.StateSucceeded},
		"paying, refused": {[]centre.Answer{code(300)}, "state = 'paying', step = 2", domain.StateRefused},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t)
			if c.pays != nil {
				b.scripted("pay", c.pays...)
			}
			id := b.accepted(nil)
			require.Equal(t, c.want, b.execution(id).finish().State)
			b.sql("UPDATE payments SET " + c.lost)

			require.Equal(t, c.want, b.execution(id).finish().State)
			require.Len(t, b.requests(id, "pay"), 2)
			b.sameBytes(id, "pay")
			b.moved(id, map[bool]int{true: 1}[c.want == domain.StateSucceeded])
		})
	}
}
