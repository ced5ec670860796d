package workflows_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	simulated "tolem/simulators/cfront"
	"tolem/storage"
)

// An answer of the bank that cannot be read twice for the same reason raises a person at an
// order, who is asked no longer when the bank's next answer to that call can be read.
func TestUnreadableAnswersOfTheBank(t *testing.T) {
	answers := func(body string, times int) simulated.Answer {
		return simulated.Answer{Fault: simulated.Status, Status: http.StatusOK, Body: body, Times: times}
	}
	for name, c := range map[string]struct {
		call    string
		answers []simulated.Answer
		raised  bool
		failure string
	}{
		"create without a number": {simulated.CallCreate, []simulated.Answer{answers(`{"order_id":null}`, 2)}, true, "bad_answer order_id"},
		"create with two":         {simulated.CallCreate, []simulated.Answer{answers(`{"order_id":"1","order_id":"2"}`, 2)}, true, "bad_answer order_id"},
		"state in other letters":  {simulated.CallState, []simulated.Answer{answers(`{"order_id":"x","State":"SUCCESS"}`, 2)}, true, "bad_answer state"},
		"two different failures":  {simulated.CallCreate, []simulated.Answer{answers(`{}`, 1), answers(`<html>`, 1)}, false, "bad_answer"},
		"a page of a 503":         {simulated.CallCreate, []simulated.Answer{{Fault: simulated.Status, Status: 503, Body: "<html>", Times: 2}}, false, "status"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTill(t)
			w.scripted(c.call, c.answers...)
			s := w.sale(w.accepted(agrees, func(o *storage.InstalmentOrder) { o.AutoConfirm = true }))
			raised := false
			activity := map[string]string{simulated.CallCreate: "CreateAtBank", simulated.CallState: "AskState"}[c.call]
			s.during(activity, func() {
				raised = raised || w.order(s.id).OperatorReason == domain.ReasonUnreadableAnswer && w.order(s.id).NeedsOperator
			})
			require.Equal(t, domain.OrderPaidOut, s.finish().State)
			require.Equal(t, c.raised, raised)
			attempts, err := w.ledger.Attempts(t.Context(), s.id.WorkflowID(), 0, 100)
			require.NoError(t, err)
			last := ""
			for _, a := range attempts {
				if a.Failure != "" {
					last = a.Failure
				}
			}
			require.Equal(t, c.failure, last)
		})
	}
}

// Retry-After of the bank lengthens the wait before the next create, and the poll of a state.
func TestBankAsksToWait(t *testing.T) {
	for path, activity := range map[string]string{"/api/order/create": "CreateAtBank", "/api/order/state": "AskState"} {
		w := newTill(t)
		asked := 0
		w.url = impatient(t, w.bank.Handler(), func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, path) || asked > 0 {
				return false
			}
			asked++
			rw.Header().Set("Retry-After", "300")
			rw.WriteHeader(http.StatusTooManyRequests)
			return true
		})
		s := w.sale(w.accepted(agrees, func(o *storage.InstalmentOrder) { o.AutoConfirm = true }))
		var at []time.Time
		s.during(activity, func() { at = append(at, s.Now()) })
		require.Equal(t, domain.OrderPaidOut, s.finish().State)
		require.GreaterOrEqual(t, at[1].Sub(at[0]), 5*time.Minute, path)
		require.Less(t, at[1].Sub(at[0]), 6*time.Minute, path)
	}
}
