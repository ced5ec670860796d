package endtoend

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	bank "tolem/simulators/cfront"
)

// instalmentOrder is the API's view, as far as tests read it.
type instalmentOrder struct {
	StoreOrderID  string `json:"store_order_id"`
	State         string `json:"state"`
	Message       string `json:"message"`
	OrderID       string `json:"order_id"`
	NeedsOperator bool   `json:"needs_operator"`
	BankState     string `json:"bank_state"`
	BankSubState  string `json:"bank_sub_state"`
	Decision      *struct{ Decision, By string }
	Contract      *struct{ Number string }
	Failure       *struct {
		Reason string
		Again  bool
	}
	ReturnedSum json.Number `json:"returned_sum"`
	Code        string      `json:"code"` // of a problem
	Detail      string      `json:"detail"`
}

// Phones of the simulated bank's clients.
const (
	clientAgrees = "+77010000011"
	clientThinks = "+77010000012" // and never answers
)

func orderBody(id, phone, more string) string {
	return `{"store_order_id":"` + id + `","client_phone":"` + phone + `","total_sum":90000.00,` +
		`"invoice":{"number":"17","date":"2026-02-17","source":"STORE"},"credit_products":[{"name":"Рассрочка 3","parts":3}],` +
		`"products":[{"name":"Телефон","count":1,"sum":90000.00}]` + more + `}`
}

// sells sends an order and expects it to be taken.
func (c *caller) sells(id, phone, more string) instalmentOrder {
	c.t.Helper()
	status, o := c.orderCall(http.MethodPost, "/v1/orders", orderBody(id, phone, more), nil)
	require.Contains(c.t, []int{http.StatusAccepted, http.StatusCreated, http.StatusOK}, status, "%+v", o)
	return o
}

func (c *caller) orderCall(method, path, body string, header map[string]string) (int, instalmentOrder) {
	c.t.Helper()
	var o instalmentOrder
	status, _ := c.do(method, path, body, header, &o)
	return status, o
}

func (c *caller) looksAt(id string) instalmentOrder {
	c.t.Helper()
	status, o := c.orderCall(http.MethodGet, "/v1/orders/"+url.PathEscape(id), "", nil)
	require.Equal(c.t, http.StatusOK, status)
	return o
}

// sees waits until an order has a state.
func (c *caller) sees(id, state string) instalmentOrder {
	c.t.Helper()
	var o instalmentOrder
	defer func() {
		if c.t.Failed() {
			c.t.Logf("last seen: %+v", o)
		}
	}()
	eventually(c.t, "order "+id+" is "+state, func() bool { o = c.looksAt(id); return o.State == state })
	return o
}

// decides sends a decision until it is answered by anything but 503.
func (c *caller) decides(id, decision string) (status int, o instalmentOrder) {
	c.t.Helper()
	eventually(c.t, decision+" is answered", func() bool {
		status, o = c.orderCall(http.MethodPost, "/v1/orders/"+url.PathEscape(id)+"/"+decision, "", map[string]string{"Prefer": "wait=20"})
		return status != http.StatusServiceUnavailable
	})
	return status, o
}

// settled asserts that our end of an order is the bank's: one order, one decision.
func (i *infra) settled(id string) {
	i.t.Helper()
	o := i.caller().looksAt(id)
	booked, there := i.bank.Order(id)
	require.True(i.t, there)
	require.Equal(i.t, 1, booked.Creates)
	require.LessOrEqual(i.t, booked.Confirms+booked.Rejects, 1)
	require.Equal(i.t, booked.OrderID, o.OrderID)
	switch o.State {
	case "paid_out":
		require.Equal(i.t, "SUCCESS", booked.State.Main)
	case "failed":
		require.Equal(i.t, "FAIL", booked.State.Main)
		require.Equal(i.t, booked.State.Sub, o.Failure.Reason)
	default:
		i.t.Fatalf("order %s is %s", id, o.State)
	}
	bodies := map[string]bool{}
	for _, r := range i.bank.Requests(id) {
		if r.Call == bank.CallCreate {
			bodies[r.BodySHA256] = true
		}
	}
	require.Len(i.t, bodies, 1, "bytes of create")
}

// endsOrder waits for an order's workflow to end and keeps its history.
func (i *infra) endsOrder(id, name string) {
	i.t.Helper()
	i.keep(i.closedHistory(domain.StoreOrderID(id).WorkflowID(), ""), "order-"+name)
}

// Instalment orders from phone number to pay-out, on real processes.
func TestInstalmentOrders(t *testing.T) {
	t.Parallel()
	i := startInfra(t)
	worker := i.worker()
	for _, part := range []struct {
		name string
		run  func(i *infra)
	}{
		{"by callback", orderByCallback},
		{"by polling alone", orderByPolling},
		{"the client refuses", clientRefuses},
		{"two tills decide at once", tillsDecideAtOnce},
		{"equal orders at once", equalOrdersAtOnce},
		{"goods come back", goodsComeBack},
		{"forged callbacks", forgedCallbacks},
		{"news after the end", newsAfterTheEnd},
		{"operators", operatorsOfOrders},
		{"callback before create returns", callbackBeforeCreateReturns},
		{"callbacks lost and reordered", callbacksLostAndReordered},
		{"new generation", newGeneration},
		{"one-phase store", onePhaseStore},
		{"worker and API killed after the effects", func(i *infra) { orderKilledAfterEffects(i, worker) }},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(i.in(t)) })
	}
	require.Zero(t, i.bank.Totals().Broken)
	i.tellsNothing(worker, i.api)
}

// Polling is so slow that only callbacks bring news in time; of the pay-out the bank
// sends none, so an operator has it asked for.
func orderByCallback(i *infra) {
	user := i.otherAPI(map[string]string{"CFRONT_POLL_FIRST": "1h", "CFRONT_POLL_MAX": "1h"})
	i.set(func(s *bank.Settings) { s.Callbacks.Duplicate = true })
	const id = "чек 17/1"
	user.sells(id, clientThinks, `,"validate_client":true`)
	user.sees(id, "waiting_for_client")
	require.NoError(i.t, i.bank.Approve(id))
	o := user.sees(id, "waiting_for_store")
	require.Contains(i.t, o.Message, "Покупатель согласился")
	_, o = user.orderCall(http.MethodGet, "/v1/orders/"+url.PathEscape(id), "", map[string]string{"Accept-Language": "de, en;q=0.7"})
	require.Contains(i.t, o.Message, "The customer has agreed")
	require.NotNil(i.t, o.Contract)

	status, o := user.decides(id, "confirm")
	require.Equal(i.t, http.StatusOK, status, "%+v", o)
	again, o := user.decides(id, "confirm")
	require.Equal(i.t, status, again, "%+v", o)
	refused, problem := user.decides(id, "reject")
	require.Equal(i.t, http.StatusConflict, refused)
	require.Equal(i.t, "already_decided", problem.Code)
	require.Contains(i.t, problem.Detail, "dev decided confirm at")
	eventually(i.t, "the bank has called back", func() bool { return len(i.bank.Deliveries(id)) >= 4 })
	for _, d := range i.bank.Deliveries(id) {
		require.Equal(i.t, http.StatusOK, d.Status)
	}
	eventually(i.t, "the pay-out is known", func() bool {
		user.orderAct(id, "retry")
		return user.looksAt(id).State == "paid_out"
	})
	i.settled(id)
	i.endsOrder(id, "by-callback")
}

func (c *caller) orderAct(id, action string) (int, string) {
	c.t.Helper()
	return c.do(http.MethodPost, "/v1/orders/"+url.PathEscape(id)+"/"+action, `{"reason":"`+reason+`"}`, nil, nil)
}

func orderByPolling(i *infra) {
	i.set(func(s *bank.Settings) { s.Callbacks.Off = true })
	user := i.caller()
	user.sells("polled", clientAgrees, "")
	user.sees("polled", "waiting_for_store")
	user.decides("polled", "confirm")
	user.sees("polled", "paid_out")
	i.settled("polled")
	require.Empty(i.t, i.bank.Deliveries("polled"))
	i.endsOrder("polled", "by-polling")
}

func clientRefuses(i *infra) {
	user := i.caller()
	user.sells("refused", "+77010000017", "")
	o := user.sees("refused", "failed")
	require.Equal(i.t, "REJECTED_BY_CLIENT", o.Failure.Reason)
	require.False(i.t, o.Failure.Again)
	i.settled("refused")
	status, o := user.decides("refused", "confirm")
	require.Equal(i.t, http.StatusConflict, status)
	require.Equal(i.t, "not_deciding", o.Code)
	i.endsOrder("refused", "client-refuses")
}

// Ten tills press Confirm and ten press Reject at the same moment: one of the two is done.
func tillsDecideAtOnce(i *infra) {
	user := i.caller()
	user.sells("contested", clientAgrees, "")
	user.sees("contested", "waiting_for_store")
	var taken [2]atomic.Int32
	atOnce(20, func(n int) {
		status, o := i.caller().decides("contested", []string{"confirm", "reject"}[n%2])
		if status < 300 {
			taken[n%2].Add(1)
			return
		}
		require.Equal(i.t, "already_decided", o.Code)
	})
	require.EqualValues(i.t, 10, max(taken[0].Load(), taken[1].Load()), "all who decided so were told so")
	require.Zero(i.t, min(taken[0].Load(), taken[1].Load()), "and nobody else")
	eventually(i.t, "it ends", func() bool { s := user.looksAt("contested").State; return s == "paid_out" || s == "failed" })
	i.settled("contested")
}

func equalOrdersAtOnce(i *infra) {
	var numbers [50]string
	atOnce(50, func(n int) { numbers[n] = i.caller().sells("fifty", clientThinks, "").StoreOrderID })
	user := i.caller()
	user.sees("fifty", "waiting_for_client")
	status, o := user.orderCall(http.MethodPost, "/v1/orders", orderBody("fifty", clientAgrees, ""), nil)
	require.Equal(i.t, http.StatusConflict, status)
	require.Equal(i.t, "store_order_id_taken", o.Code)
	status, _ = user.decides("fifty", "reject")
	require.Equal(i.t, http.StatusOK, status)
	user.sees("fifty", "failed")
	i.settled("fifty")
	i.endsOrder("fifty", "rejected-early")
}

func goodsComeBack(i *infra) {
	user := i.caller()
	user.sells("returned", "+77010000021", `,"auto_confirm":true`)
	user.sees("returned", "paid_out")
	i.endsOrder("returned", "auto-confirmed")
	require.NoError(i.t, i.bank.Script(bank.Script{Call: bank.CallReturn, Answers: []bank.Answer{{Fault: bank.LostAnswer}}}))
	send := func(number, sum string) int {
		i.t.Helper()
		status, answer := user.do(http.MethodPost, "/v1/orders/returned/return", `{"store_return_id":"`+number+`","sum":`+sum+`,"return_money_to_card":true}`,
			map[string]string{"Prefer": "wait=30"}, nil)
		require.Less(i.t, status, 500, answer)
		return status
	}
	require.Equal(i.t, http.StatusCreated, send("r/1", "40000.00"))
	require.Equal(i.t, http.StatusOK, send("r/1", "40000.00"))
	require.Equal(i.t, http.StatusConflict, send("r/1", "40000.01"))
	require.Equal(i.t, http.StatusUnprocessableEntity, send("r/2", "50000.01"))
	require.Equal(i.t, http.StatusCreated, send("r/2", "50000.00"))
	eventually(i.t, "the order is returned in full", func() bool { return user.looksAt("returned").BankSubState == "RETURNED" })
	require.Equal(i.t, "90000.00", user.looksAt("returned").ReturnedSum.String())
	booked, _ := i.bank.Order("returned")
	require.Len(i.t, booked.Returns, 2)
	i.keep(i.closedHistory("return/returned/r%2F1", ""), "return-answer-lost")
	i.keep(i.closedHistory("return/returned/r%2F2", ""), "return-at-once")
}

// Ten thousand forged callbacks: none is accepted, none reaches the ledger or an order.
func forgedCallbacks(i *infra) {
	user := i.caller()
	user.sells("forged", clientThinks, "")
	o := user.sees("forged", "waiting_for_client")
	booked, _ := i.bank.Order("forged")
	address := strings.TrimPrefix(booked.Callback, i.url())
	body := fmt.Sprintf(`{"order_id":%q,"state":"SUCCESS","order_sub_state":"ACTIVE","message":null}`, o.OrderID)
	anybody := &caller{t: i.t, api: i.url()}
	asked := len(i.bank.Requests("forged"))
	const each = 2500
	atOnce(4, func(n int) {
		for k := range each {
			path, signature := address, i.bank.Sign([]byte(body+" "))
			switch (n + k) % 4 {
			case 1:
				signature = ""
			case 2:
				path, signature = "/callbacks/cfront/guessed", i.bank.Sign([]byte(body))
			case 3:
				signature = strings.ToLower(i.bank.Sign([]byte(body)))
			}
			status, answer := anybody.do(http.MethodPost, path, body, map[string]string{"signature": signature}, nil)
			require.Contains(i.t, []int{http.StatusUnauthorized, http.StatusNotFound}, status, answer)
		}
	})
	require.Equal(i.t, "waiting_for_client", user.looksAt("forged").State)
	require.Less(i.t, len(i.bank.Requests("forged"))-asked, 1000, "nobody asked the bank for it")

	status, _ := anybody.do(http.MethodPost, address, body, map[string]string{"signature": i.bank.Sign([]byte(body))}, nil)
	require.Equal(i.t, http.StatusOK, status, "a true signature, and still no more than a reason to ask")
	require.Equal(i.t, "waiting_for_client", user.looksAt("forged").State)
	user.decides("forged", "reject")
	user.sees("forged", "failed")
	i.settled("forged")
}

// The client repays: the order's end stays, and the ledger learns the bank's new word.
func newsAfterTheEnd(i *infra) {
	user := i.caller()
	user.sells("repaid", "+77010000031", `,"auto_confirm":true`)
	user.sees("repaid", "paid_out")
	require.NoError(i.t, i.bank.Repay("repaid"))
	eventually(i.t, "the ledger has the news", func() bool { return user.looksAt("repaid").BankSubState == "DONE" })
	require.Equal(i.t, "paid_out", user.looksAt("repaid").State)
	i.settled("repaid")
	i.keep(i.closedHistory("order-move/repaid", ""), "move-repaid")
}

// Stuck at create for a while: an operator holds, releases, and has it tried now.
func operatorsOfOrders(i *infra) {
	require.NoError(i.t, i.bank.Script(bank.Script{Call: bank.CallCreate, StoreOrderID: "stuck", Answers: []bank.Answer{{Fault: bank.HTML502, Times: 8}}}))
	user := i.caller()
	user.sells("stuck", "+77010000041", `,"auto_confirm":true`)
	user.sees("stuck", "creating")
	status, answer := user.orderAct("stuck", "hold")
	require.Equal(i.t, http.StatusOK, status, answer)
	require.Contains(i.t, answer, `"effect":"held"`)
	status, answer = user.orderAct("stuck", "retry")
	require.Equal(i.t, http.StatusConflict, status, answer)
	require.Contains(i.t, answer, `"code":"order_held"`)
	status, answer = user.orderAct("stuck", "release")
	require.Equal(i.t, http.StatusOK, status, answer)
	eventually(i.t, "a retry is answered", func() bool {
		status, answer = user.orderAct("stuck", "retry")
		return status == http.StatusOK || user.looksAt("stuck").State == "paid_out"
	})
	user.sees("stuck", "paid_out")
	i.settled("stuck")
	i.endsOrder("stuck", "held-released-retried")
}

// The bank has created, and later confirmed, and its answers are on the way when worker
// and API die.
func orderKilledAfterEffects(i *infra, worker *process) {
	user := i.caller()
	const id = "killed"
	answer := i.bank.Hold(bank.CallCreate)
	user.sells(id, "+77010000051", "")
	eventually(i.t, "the bank has it", func() bool { _, there := i.bank.Order(id); return there })
	worker.kill()
	i.api.kill()
	answer()
	i.startAPI()
	require.Equal(i.t, "creating", user.looksAt(id).State)
	worker = i.worker()
	user.sees(id, "waiting_for_store")

	answer = i.bank.Hold(bank.CallConfirm)
	defer answer()
	go func() { // it is cut off
		r, err := http.NewRequest(http.MethodPost, i.url()+"/v1/orders/killed/confirm", http.NoBody)
		if err != nil {
			return
		}
		r.Header.Set("Authorization", "Bearer "+i.token)
		if response, err := httpClient.Do(r); err == nil {
			_ = response.Body.Close()
		}
	}()
	eventually(i.t, "the bank has confirmed", func() bool { o, _ := i.bank.Order(id); return o.Confirms == 1 })
	worker.kill()
	i.api.kill()
	answer()
	i.startAPI()
	i.worker()
	user.sees(id, "paid_out")
	i.settled(id)
	i.endsOrder(id, "recovered")
	status, o := user.decides(id, "confirm")
	require.Equal(i.t, http.StatusOK, status, "%+v", o)
}
