package endtoend

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"

	"tolem/activities"
	"tolem/domain"
	"tolem/simulators/abs"
	bank "tolem/simulators/cfront"
	centre "tolem/simulators/processing"
)

// always is how often a partner's silence is scripted: more often than a test can ask.
const always = 1_000_000

// openState is how a process comes into an open state, and how people end it there.
type openState struct {
	// idle: it is reached while no worker runs, or it would be left at once.
	idle  bool
	reach func(i *infra, n int) (id string) // n is the row's own number
	end   func(i *infra, id string)         // through the API, while every partner is silent
}

// openStates holds a row for every open state of every kind of process.
var openStates = map[domain.Process]map[string]openState{
	domain.ProcessPayment: {
		"accepted":       {true, paymentAccepted, cancels},
		"checking":       {false, paymentChecking, cancels},
		"awaiting_payer": {false, paymentAsks, cancels},
		"paying":         {false, paymentPaying, resolvesPayment},
	},
	domain.ProcessOrder: {
		"accepted":           {true, orderAccepted, rejectsUnsent},
		"creating":           {false, orderCreating, resolvesCreating},
		"waiting_for_client": {false, orderWaitsForClient, rejectsAndResolves},
		"waiting_for_store":  {false, orderWaitsForStore, rejectsAndResolves},
		"confirming":         {false, orderDecided("confirm"), resolvesOrder("paid_out")},
		"rejecting":          {false, orderDecided("reject"), resolvesHeldOrder},
		"active":             {false, orderActive, resolvesOrder("paid_out")},
	},
	domain.ProcessReturn: {
		"accepted":  {false, goodsOnTheirWay(bank.CallData), resolvesReturn},
		"returning": {false, goodsOnTheirWay(bank.CallReturn), resolvesHeldReturn},
	},
	domain.ProcessPaymentOrder: {
		"gathering": {false, contractGathers, closesContract},
		"sent":      {false, contractAfter(), closesContract},
		"confirmed": {false, contractAfter("request confirmed"), closesContract},
		"accepted":  {false, contractAfter("payment order accepted"), closesContract},
		"activated": {false, contractAfter("payment order accepted", "payment order activated"), closesContract},
		"part_paid": {false, contractAfter("payment order activated", "payment order executed"), closesContract},
	},
}

// stateOf reads the state of a process from the API.
func (c *caller) stateOf(p domain.Process, id string) string {
	c.t.Helper()
	path := map[domain.Process]string{
		domain.ProcessPayment: "/v1/payments/", domain.ProcessOrder: "/v1/orders/", domain.ProcessReturn: "/v1/orders/", domain.ProcessPaymentOrder: "/v1/payment-orders/",
	}[p] + id
	if p == domain.ProcessReturn {
		path += "/returns/r"
	}
	var v struct {
		State string `json:"state"`
	}
	status, answer := c.do(http.MethodGet, path, "", nil, &v)
	require.Equal(c.t, http.StatusOK, status, answer)
	return v.State
}

// From every open state of every kind of process people come to the end, through the API
// and with every partner silent. A state without a row here fails the test.
func TestPeopleEndEveryOpenState(t *testing.T) {
	t.Parallel()
	i := startInfraWith(t, map[string]string{
		"AGE_RAISE": "1s", "CFRONT_RAISE": "1s", "PARTNER_TIMEOUT": "2s", "RETRY_INITIAL": "200ms", "RETRY_FACTOR": "2",
	})
	reached := map[domain.Process]map[string]string{}
	each := func(what func(p domain.ProcessStates, state string, row openState, n int)) {
		n := 0
		for _, p := range domain.Processes() {
			for _, state := range p.Open {
				n++
				row, there := openStates[p.Process][state]
				if !there {
					t.Errorf("nobody knows how people end a %s that is %s", p.Process, state)
					continue
				}
				what(p, state, row, n)
			}
			require.Len(t, openStates[p.Process], len(p.Open), "a row of no state of a %s", p.Process)
			if reached[p.Process] == nil {
				reached[p.Process] = map[string]string{}
			}
		}
	}
	reach := func(idle bool) {
		each(func(p domain.ProcessStates, state string, row openState, n int) {
			if row.idle == idle {
				id := row.reach(i, n)
				eventually(t, fmt.Sprintf("a %s is %s", p.Process, state), func() bool { return i.caller().stateOf(p.Process, id) == state })
				reached[p.Process][state] = id
			}
		})
	}
	each(func(domain.ProcessStates, string, openState, int) {})
	worker := i.worker()
	reach(false)
	worker.terminate()
	reach(true)
	i.centre.SetDown(true)
	i.bank.SetDown(true)
	i.stack.Partners().ABS.SetDown(true)

	each(func(p domain.ProcessStates, state string, row openState, _ int) {
		require.Equal(t, state, i.caller().stateOf(p.Process, reached[p.Process][state]), "%s", p.Process)
	})
	rejectsUnsent(i, reached[domain.ProcessOrder]["accepted"]) // while it is accepted
	i.worker()
	each(func(p domain.ProcessStates, state string, row openState, _ int) {
		id := reached[p.Process][state]
		row.end(i, id)
		if end := i.caller().stateOf(p.Process, id); !slices.Contains(p.Terminal, end) {
			t.Errorf("a %s that was %s is %s", p.Process, state, end)
		}
	})
	i.nothingRuns()
}

// nothingRuns waits until every process has closed its workflow.
func (i *infra) nothingRuns() {
	i.t.Helper()
	types := []string{activities.WorkflowPayment, activities.WorkflowOrder, activities.WorkflowReturn, activities.WorkflowPaymentOrder}
	query := "ExecutionStatus = 'Running' AND WorkflowType IN ('" + strings.Join(types, "', '") + "')"
	var left []string
	eventually(i.t, "every workflow has ended", func() bool {
		found, err := i.temporal.ListWorkflow(i.t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: query})
		require.NoError(i.t, err)
		left = nil
		for _, e := range found.GetExecutions() {
			left = append(left, e.GetExecution().GetWorkflowId())
		}
		return len(left) == 0
	})
}

func paymentAccepted(i *infra, n int) string {
	account, body := to(n)
	return i.caller().paysFor(account, body).ID
}

func paymentChecking(i *infra, n int) string {
	account, body := to(n)
	scriptFor(i.t, i.centre, "check", account, centre.Answer{Fault: centre.ResetBefore, Times: always})
	return i.caller().paysFor(account, body).ID
}

func paymentAsks(i *infra, n int) string {
	return i.caller().paysFor(fmt.Sprint("asks-", n), contracts).ID
}

func paymentPaying(i *infra, n int) string {
	account, body := to(n)
	scriptFor(i.t, i.centre, "pay", account, centre.Answer{Fault: centre.ResetBefore, Times: always})
	return i.caller().paysFor(account, body).ID
}

func cancels(i *infra, id string) {
	got := i.caller().orders(id, "cancel", "cancel")
	require.Equal(i.t, http.StatusOK, got.status, got.body)
}

func resolvesPayment(i *infra, id string) {
	eventually(i.t, "payment "+id+" needs an operator", func() bool { return i.caller().reads(id).NeedsOperator })
	first := i.caller().resolves(id, "succeeded", "a")
	require.Equal(i.t, http.StatusAccepted, first.status, first.body)
	second := i.secondOperator().resolves(id, "succeeded", "b")
	require.Equal(i.t, http.StatusOK, second.status, second.body)
}

// sold sends an order with a client of its own, who agrees (1) or thinks (2).
func (i *infra) sold(n, client int, more string, silent ...string) (id string) {
	i.t.Helper()
	id = fmt.Sprint("state-", n)
	for _, call := range silent {
		i.silent(call, id)
	}
	i.caller().sells(id, fmt.Sprintf("+7701000%03d%d", n, client), more)
	return id
}

func (i *infra) silent(call, id string) {
	i.t.Helper()
	require.NoError(i.t, i.bank.Script(bank.Script{Call: call, StoreOrderID: id, Answers: []bank.Answer{{Fault: bank.ResetBefore, Times: always}}}))
}

func orderAccepted(i *infra, n int) string { return i.sold(n, 1, "") }

func orderCreating(i *infra, n int) string { return i.sold(n, 1, "", bank.CallCreate) }

func orderWaitsForClient(i *infra, n int) string { return i.sold(n, 2, "") }

func orderWaitsForStore(i *infra, n int) string {
	id := i.sold(n, 1, "")
	i.caller().sees(id, "waiting_for_store")
	return id
}

func orderDecided(decision string) func(*infra, int) string {
	return func(i *infra, n int) string {
		id := i.sold(n, 1, "", map[string]string{"confirm": bank.CallConfirm, "reject": bank.CallReject}[decision])
		i.caller().sees(id, "waiting_for_store")
		status, answer := i.caller().do(http.MethodPost, "/v1/orders/"+id+"/"+decision, "", nil, nil)
		require.Equal(i.t, http.StatusAccepted, status, answer)
		return id
	}
}

func orderActive(i *infra, n int) string {
	return i.sold(n, 1, `,"auto_confirm":true`, bank.CallCheckPaid)
}

// rejectsUnsent ends an order of which nothing was sent, while no worker runs.
func rejectsUnsent(i *infra, id string) {
	status, answer := i.caller().do(http.MethodPost, "/v1/orders/"+id+"/reject", "", nil, nil)
	require.Equal(i.t, http.StatusOK, status, answer)
}

func rejectsAndResolves(i *infra, id string) {
	status, o := i.caller().orderCall(http.MethodPost, "/v1/orders/"+id+"/reject", "", nil)
	require.Equal(i.t, http.StatusAccepted, status, "%+v", o)
	resolvesOrder("failed")(i, id)
}

func resolvesOrder(outcome string) func(*infra, string) {
	return func(i *infra, id string) { i.endedByTwo("/v1/orders/"+id, outcome) }
}

func resolvesCreating(i *infra, id string) {
	resolvesOrder("failed")(i, id)
	i.endsOrder(id, "resolved-while-creating")
}

// resolvesHeldOrder holds it first, so that nothing is sent while two people make sure.
func resolvesHeldOrder(i *infra, id string) {
	held := i.caller().says("/v1/orders/"+id+"/hold", id+"-hold", `{"reason":"`+reason+`"}`)
	require.Equal(i.t, http.StatusOK, held.status, held.body)
	resolvesOrder("failed")(i, id)
	i.endsOrder(id, "resolved-while-held")
}

// endedByTwo has two people say how a process ended.
func (i *infra) endedByTwo(path, outcome string) {
	i.t.Helper()
	body := `{"outcome":"` + outcome + `","reason":"` + reason + `","evidence":"` + evidence + `"}`
	for n, who := range []*caller{i.caller(), i.secondOperator()} {
		status, answer := who.do(http.MethodPost, path+"/resolve", body, map[string]string{"Idempotency-Key": path}, nil)
		require.Equal(i.t, []int{http.StatusAccepted, http.StatusOK}[n], status, answer)
	}
}

// goodsOnTheirWay returns goods of an order that is paid out, while the bank is silent at one
// call.
func goodsOnTheirWay(silent string) func(*infra, int) string {
	return func(i *infra, n int) string {
		id := i.sold(n, 1, `,"auto_confirm":true`, silent)
		i.caller().sees(id, "paid_out")
		status, answer := i.caller().do(http.MethodPost, "/v1/orders/"+id+"/return", `{"store_return_id":"r","sum":100.00,"return_money_to_card":true}`, nil, nil)
		require.Equal(i.t, http.StatusAccepted, status, answer)
		return id
	}
}

func resolvesReturn(i *infra, id string) { i.endedByTwo("/v1/orders/"+id+"/returns/r", "failed") }

// resolvesHeldReturn holds it, lets it go, has it sent again, and then two people end it.
func resolvesHeldReturn(i *infra, id string) {
	user, path := i.caller(), "/v1/orders/"+id+"/returns/r"
	sent := func() int {
		_, answer := user.do(http.MethodGet, path+"/attempts?limit=500", "", nil, nil)
		return strings.Count(answer, `"call":"return"`)
	}
	for n, action := range []string{"hold", "release", "retry"} {
		before := sent()
		status, answer := user.do(http.MethodPost, path+"/"+action, `{"reason":"`+reason+`"}`, map[string]string{"Idempotency-Key": path + action}, nil)
		require.Equal(i.t, http.StatusOK, status, answer)
		if n > 0 {
			eventually(i.t, "it is sent after "+action, func() bool { return sent() > before })
		}
	}
	resolvesReturn(i, id)
	i.keep(i.closedHistory(domain.StoreOrderID(id).ReturnWorkflowID("r"), ""), "return-acted-on-and-resolved")
}

func contractOf(n int) string { return fmt.Sprint("KD-state-", n) }

func contractGathers(i *infra, n int) string {
	contract := contractOf(n)
	require.NoError(i.t, i.stack.Partners().ABS.Script(abs.Script{
		Call: abs.CallScan, About: contract, Answers: []abs.Answer{{Fault: abs.ResetBefore, Times: always}}}))
	code, text := i.caller().sendsLoans(loanJSON(contract, 1000))
	require.Zero(i.t, code, text)
	return contract
}

// contractAfter sends a loan and reports statuses of its payment order.
func contractAfter(statuses ...string) func(*infra, int) string {
	return func(i *infra, n int) string {
		user, contract := i.caller(), contractOf(n)
		code, text := user.sendsLoans(loanJSON(contract, 1000))
		require.Zero(i.t, code, text)
		user.findsContract(contract, "sent")
		for _, status := range statuses {
			paid := ""
			if status == "payment order executed" {
				paid = `,"paid_amount":100`
			}
			require.Equal(i.t, http.StatusCreated, user.reports(contract, strings.ReplaceAll(status, " ", "-"), `{"status":"`+status+`"`+paid+`}`))
		}
		return contract
	}
}

func closesContract(i *infra, contract string) {
	require.Equal(i.t, http.StatusAccepted, i.caller().actsOnContract(contract, "close", "close-"+contract))
	require.Equal(i.t, http.StatusOK, i.secondOperator().actsOnContract(contract, "close", "close-"+contract))
}
