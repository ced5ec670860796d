package endtoend

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"

	bank "tolem/simulators/cfront"
)

// set changes how the bank behaves until the part of the test is over.
func (i *infra) set(change func(*bank.Settings)) {
	i.t.Helper()
	before := i.bank.Settings()
	changed := before
	change(&changed)
	require.NoError(i.t, i.bank.Set(changed))
	i.t.Cleanup(func() { require.NoError(i.t, i.bank.Set(before)) })
}

// The bank calls back before its answer to create has arrived. The ledger takes the news of
// an order whose number at the bank it does not know yet; polling would come too late.
func callbackBeforeCreateReturns(i *infra) {
	user := i.otherAPI(map[string]string{"CFRONT_POLL_FIRST": "1h", "CFRONT_POLL_MAX": "1h"})
	answer := i.bank.Hold(bank.CallCreate)
	defer answer()
	user.sells("early", "+77010000062", "")
	eventually(i.t, "the bank has it", func() bool { _, there := i.bank.Order("early"); return there })
	require.NoError(i.t, i.bank.Approve("early"))
	eventually(i.t, "the bank has called back", func() bool { return len(i.bank.Deliveries("early")) > 0 })
	require.Equal(i.t, http.StatusOK, i.bank.Deliveries("early")[0].Status)
	o := user.looksAt("early")
	require.Equal(i.t, "creating", o.State)
	require.Empty(i.t, o.OrderID)
	answer()
	user.sees("early", "waiting_for_store")
	status, o := user.decides("early", "reject")
	require.Equal(i.t, http.StatusOK, status, "%+v", o)
	user.sees("early", "failed")
	i.settled("early")
	i.endsOrder("early", "early-callback")
}

// Half of the callbacks never come, the others come twice and in the wrong order; every
// order ends where the bank has it.
func callbacksLostAndReordered(i *infra) {
	i.set(func(s *bank.Settings) {
		s.Callbacks = bank.Callbacks{Loss: 0.5, Seed: 7, Duplicate: true, Reorder: true, MaxAttempts: 2, RetryAfter: 300}
	})
	user := i.caller()
	const orders = 20
	id := func(n int) string { return fmt.Sprintf("storm-%d", n) }
	atOnce(orders, func(n int) {
		// Agrees, refuses or has no money; of those who agree the store lets some go.
		i.caller().sells(id(n), fmt.Sprintf("+77010001%02d%d", n, []int{1, 7, 4, 6, 1}[n%5]), "")
	})
	atOnce(orders, func(n int) {
		switch n % 5 {
		case 1, 3:
			return
		}
		user := i.caller()
		user.sees(id(n), "waiting_for_store")
		user.decides(id(n), map[bool]string{true: "confirm", false: "reject"}[n%5 != 2])
	})
	for n := range orders {
		user.sees(id(n), []string{"paid_out", "failed", "failed", "failed", "paid_out"}[n%5])
		i.settled(id(n))
	}
	lost, doubled := 0, 0
	for n := range orders {
		heard := map[bank.State]int{}
		for _, d := range i.bank.Deliveries(id(n)) {
			if d.Lost {
				lost++
			} else if heard[d.State]++; heard[d.State] > 1 {
				doubled++
			}
		}
	}
	require.Positive(i.t, lost)
	require.Positive(i.t, doubled)
}

// A bank of the new generation: a lost answer to create is told again with 201, and of
// SUCCESS there is no news.
func newGeneration(i *infra) {
	i.set(func(s *bank.Settings) { s.Profile = bank.NewGeneration })
	require.NoError(i.t, i.bank.Script(bank.Script{Call: bank.CallCreate, StoreOrderID: "new", Answers: []bank.Answer{{Fault: bank.LostAnswer}}}))
	user := i.caller()
	user.sells("new", "+77010000064", "")
	user.sees("new", "waiting_for_store")
	status, o := user.decides("new", "confirm")
	require.Equal(i.t, http.StatusOK, status, "%+v", o)
	user.sees("new", "paid_out")
	i.settled("new")
	for _, d := range i.bank.Deliveries("new") {
		require.Equal(i.t, "WAITING_FOR_STORE_CONFIRM", d.State.Sub)
	}
}

// A store with one phase: the client's agreement is the sale, nobody confirms.
func onePhaseStore(i *infra) {
	i.set(func(s *bank.Settings) { s.OnePhase = true })
	user := i.caller()
	user.sells("one-phase", "+77010000074", "")
	user.sees("one-phase", "paid_out")
	i.settled("one-phase")
	booked, _ := i.bank.Order("one-phase")
	require.Zero(i.t, booked.Confirms+booked.Rejects)
	status, o := user.decides("one-phase", "reject")
	require.Equal(i.t, http.StatusConflict, status, "%+v", o)
	i.endsOrder("one-phase", "one-phase")
}

// Nothing personal is anywhere in Temporal, and nothing in what our processes print.
func (i *infra) tellsNothing(processes ...*process) {
	i.t.Helper()
	ctx := i.t.Context()
	secrets := append(private(), i.token)
	for _, o := range i.bank.Orders() {
		if token := o.Callback[strings.LastIndex(o.Callback, "/")+1:]; token != "" {
			secrets = append(secrets, token)
		}
	}
	var page []byte
	executions := 0
	for {
		list, err := i.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{NextPageToken: page})
		require.NoError(i.t, err)
		for _, execution := range list.GetExecutions() {
			executions++
			everything, err := proto.Marshal(execution) // with search attributes and memo
			require.NoError(i.t, err)
			history := i.temporal.GetWorkflowHistory(ctx, execution.GetExecution().GetWorkflowId(), execution.GetExecution().GetRunId(), false, 0)
			for history.HasNext() {
				event, err := history.Next()
				require.NoError(i.t, err)
				raw, err := proto.Marshal(event)
				require.NoError(i.t, err)
				everything = append(everything, raw...)
			}
			require.Contains(i.t, string(everything), execution.GetType().GetName(), "the search finds what is there")
			for _, secret := range secrets {
				require.False(i.t, strings.Contains(string(everything), secret), "%s is in %s", secret, execution.GetExecution().GetWorkflowId())
			}
		}
		if page = list.GetNextPageToken(); len(page) == 0 {
			break
		}
	}
	require.NotZero(i.t, executions)
	for _, p := range processes {
		for _, secret := range secrets {
			require.False(i.t, strings.Contains(p.output(), secret), "%s printed %s", p.name, secret)
		}
	}
}

// Temporal's database is deleted under open orders and a return. The sweep starts every
// one of them from the ledger, and each ends as the bank has it: created once, decided
// once, taken back once.
func TestTemporalsDatabaseDeletedUnderOrders(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data")
	environment := map[string]string{
		"API_ADDR": freeAddress(t), "RETRY_INITIAL": "1s", "CFRONT_POLL_FIRST": "100ms", "CFRONT_POLL_MAX": "1s", "CFRONT_PAYOUT_POLL_MAX": "1s",
	}
	i, stop := reopened(t, path, environment)
	user := i.caller()
	failing := []bank.Answer{{Fault: bank.HTML502, Times: 4}}
	script := func(call, id string, answers []bank.Answer) {
		require.NoError(t, i.bank.Script(bank.Script{Call: call, StoreOrderID: id, Answers: answers}))
	}
	script(bank.CallCreate, "creating", append([]bank.Answer{{Fault: bank.LostAnswer}}, failing...))
	user.sells("returning", "+77010000081", `,"auto_confirm":true`)
	user.sees("returning", "paid_out")
	user.sells("creating", "+77010000084", `,"auto_confirm":true`)
	user.sells("thinking", "+77010000082", "")
	user.sells("waiting", "+77010000091", "")
	user.sees("thinking", "waiting_for_client")
	user.sees("waiting", "waiting_for_store")
	user.sells("deciding", "+77010000094", "")
	user.sees("deciding", "waiting_for_store")
	script(bank.CallConfirm, "deciding", append([]bank.Answer{{Fault: bank.LostAnswer}}, failing...))
	script(bank.CallState, "deciding", []bank.Answer{{Fault: bank.HTML502, Times: 8}})
	user.orderCall(http.MethodPost, "/v1/orders/deciding/confirm", "", nil) // how it is answered depends on when it is known
	eventually(t, "confirm has been taken", func() bool { o, _ := i.bank.Order("deciding"); return o.Confirms == 1 })
	eventually(t, "create has been sent", func() bool { _, there := i.bank.Order("creating"); return there })

	script(bank.CallReturn, "returning", append([]bank.Answer{{Fault: bank.LostAnswer}}, failing...))
	script(bank.CallData, "returning", append([]bank.Answer{{}}, failing...))
	status, answer := user.do(http.MethodPost, "/v1/orders/returning/return", `{"store_return_id":"r","sum":40000.00,"return_money_to_card":true}`, nil, nil)
	require.Equal(t, http.StatusAccepted, status, answer)
	eventually(t, "the return has been taken", func() bool { o, _ := i.bank.Order("returning"); return len(o.Returns) == 1 })
	stop()
	require.NoError(t, os.RemoveAll(filepath.Join(path, "temporal")))

	i, stop = reopened(t, path, environment)
	defer stop()
	user = i.caller()
	require.NoError(t, i.bank.Approve("thinking"))
	for _, id := range []string{"thinking", "waiting"} {
		user.sees(id, "waiting_for_store")
	}
	user.decides("waiting", "confirm")
	user.decides("thinking", "reject")
	user.sees("waiting", "paid_out")
	user.sees("thinking", "failed")
	user.sees("creating", "paid_out")
	user.sees("deciding", "paid_out")
	for _, id := range []string{"creating", "deciding", "thinking", "waiting"} {
		i.settled(id)
	}
	eventually(t, "the return is known", func() bool {
		status, answer := user.do(http.MethodGet, "/v1/orders/"+url.PathEscape("returning")+"/returns", "", nil, nil)
		require.Equal(t, http.StatusOK, status, answer)
		return strings.Contains(answer, `"state":"returned"`)
	})
	require.Equal(t, "40000.00", user.looksAt("returning").ReturnedSum.String())
	booked, _ := i.bank.Order("returning")
	require.Len(t, booked.Returns, 1)
	require.Zero(t, i.bank.Totals().Broken)
}
