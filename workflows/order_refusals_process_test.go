package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/partners/cfront"
	simulated "tolem/simulators/cfront"
	"tolem/storage"
)

// refuses is the bank's own refusal, so many times.
func refuses(status, times int) simulated.Answer {
	return simulated.Answer{Fault: simulated.Status, Status: status, Body: `{"message":"no"}`, Times: times}
}

// A refusal ends an order where every create so far was refused for certain, whatever the
// dialect calls "not found". Nothing else does.
func TestRefusedCreate(t *testing.T) {
	for name, c := range map[string]struct {
		speaks  cfront.Dialect
		answers []simulated.Answer
		creates int
	}{
		"first":                        {cfront.Dialect{}, []simulated.Answer{refuses(400, 1)}, 1},
		"400 is called not found":      {cfront.Dialect{NotFoundStatus: []int{400}}, []simulated.Answer{refuses(400, 9)}, 1},
		"after refusals of our secret": {cfront.Dialect{}, []simulated.Answer{refuses(401, 2), refuses(403, 1), refuses(404, 1), refuses(422, 1)}, 5},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTill(t)
			w.speaks = c.speaks
			w.scripted(simulated.CallCreate, c.answers...)
			s := w.sale(w.accepted(agrees, nil))
			require.Equal(t, domain.FailRefusedByBank, s.finish().FailReason)
			require.Empty(t, w.bank.Orders())
			made, _ := w.calls(s.id, simulated.CallCreate)
			require.Equal(t, c.creates, made)
		})
	}
	for name, before := range map[string]simulated.Answer{
		"after a lost answer":     {Fault: simulated.LostAnswer},
		"after a proxy's refusal": {Fault: simulated.StatusAfter, Status: 400, Body: "{}"},
		"after 429":               {Fault: simulated.StatusAfter, Status: 429, Body: `{"message":"slow"}`},
		"after 409 with no order": {Fault: simulated.StatusAfter, Status: 409, Body: `{"message":"?"}`},
		"after 425 at the edge":   {Fault: simulated.StatusAfter, Status: 425, Body: `{"message":"early"}`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTill(t)
			w.scripted(simulated.CallCreate, before, refuses(400, 2))
			s := w.sale(w.accepted(agrees, func(o *storage.InstalmentOrder) { o.AutoConfirm = true }))
			asked := false
			s.after(2*time.Second, func() { asked = w.order(s.id).NeedsOperator })
			require.Equal(t, domain.OrderPaidOut, s.finish().State)
			require.True(t, asked, "a person has to look")
		})
	}
	t.Run("400 by which the bank says that it has it", func(t *testing.T) {
		w := newTill(t)
		w.speaks = cfront.Dialect{DuplicateStatus: []int{400, 409}}
		w.scripted(simulated.CallCreate, simulated.Answer{Fault: simulated.StatusAfter, Status: 400, Body: `{"message":"I have it"}`})
		s := w.sale(w.accepted(agrees, func(o *storage.InstalmentOrder) { o.AutoConfirm = true }))
		require.Equal(t, domain.OrderPaidOut, s.finish().State)
		require.Len(t, w.bank.Orders(), 1)
	})
}

// A till rejects an order that the bank refuses because of our secret: it certainly has
// none, so the next refusal ends it.
func TestRejectWhileTheBankRefuses(t *testing.T) {
	w := newTill(t)
	w.scripted(simulated.CallCreate, refuses(401, 1000))
	s := w.sale(w.accepted(agrees, nil))
	s.decides(time.Minute, domain.DecisionReject)
	require.Equal(t, domain.FailRejectedByStore, s.finish().FailReason)
	require.Empty(t, w.bank.Orders())
}

// Returns are refused as creates are.
func TestRefusedReturns(t *testing.T) {
	for name, c := range map[string]struct {
		speaks  cfront.Dialect
		answers []simulated.Answer
		sent    int
	}{
		"first":                       {cfront.Dialect{}, []simulated.Answer{refuses(400, 1)}, 1},
		"400 is called not found":     {cfront.Dialect{NotFoundStatus: []int{400}}, []simulated.Answer{refuses(400, 9)}, 1},
		"after a refusal of the door": {cfront.Dialect{}, []simulated.Answer{refuses(401, 2), refuses(400, 1)}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTill(t)
			order := w.sold()
			w.speaks = c.speaks
			w.scripted(simulated.CallReturn, c.answers...)
			w.scripted(simulated.CallData, simulated.Answer{Fault: simulated.HTML502, Times: 2}) // the order's card that cannot be read sends nothing
			w.acceptedReturn(order, "r", 3_000_000)
			r := w.comesBack(order, "r", nil)
			require.Equal(t, domain.ReturnFailed, r.State)
			require.Equal(t, "no", r.BankMessage)
			made, _ := w.calls(order, simulated.CallReturn)
			require.Equal(t, c.sent, made)
		})
	}
	t.Run("after a lost answer", func(t *testing.T) {
		w := newTill(t)
		order := w.sold()
		w.scripted(simulated.CallReturn, simulated.Answer{Fault: simulated.ResetBefore}, refuses(400, 2))
		w.acceptedReturn(order, "r", 3_000_000)
		require.Equal(t, domain.ReturnReturned, w.comesBack(order, "r", nil).State)
		made, _ := w.calls(order, simulated.CallReturn)
		require.Equal(t, 4, made)
	})
}
