package endtoend

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"tolem/activities"
	centre "tolem/simulators/processing"
)

// day is a day of the bank: tills, operators, and what came of each payment.
type day struct {
	*infra
	shop, aigul, marat *caller

	mu  sync.Mutex
	ids []string
}

// kinds of the day's payments: what the till sends, what goes wrong on the way,
// and what the payer answers. %07d is the payment's own number.
var kinds = []struct {
	name    string
	account string
	body    string
	check   []centre.Answer
	pay     []centre.Answer
	choice  string // the payer's; "" when nobody is asked
	ends    string
}{
	{name: "plain", account: "777%07d", body: `{"serviceId":"P1011","account":"%s","amountTo":%s}`, ends: "succeeded"},
	{name: "lost answers", account: "777%07d", body: `{"serviceId":"P1011","account":"%s","amountTo":%s}`,
		pay: []centre.Answer{{Fault: centre.LostAnswer}, {Fault: centre.HTML502}}, ends: "succeeded"},
	{name: "not found", account: "77%04d0000", body: `{"serviceId":"P1011","account":"%s","amountTo":%s}`, ends: "refused"},
	{name: "contract", account: "99010130%04d", body: `{"serviceId":"P0006","account":"%s","amountTo":%s}`,
		choice: `{"contractId":"000000587"}`, ends: "succeeded"},
	{name: "receipt", account: "123%06d7", body: `{"serviceId":"P0005","account":"%s","autoPay":false}`,
		choice: `{"extraServices":[{"subServiceId":"36","amount":359.80,"lastCount":"4901"},{"subServiceId":"13","amount":80.00}]}`, ends: "succeeded"},
	{name: "in progress", account: "777%07d", body: `{"serviceId":"P1011","account":"%s","amountTo":%s,"amountFrom":9999.99}`,
		check: []centre.Answer{{Code: 1}}, pay: []centre.Answer{{Code: 1}, {Code: 153}}, ends: "succeeded"},
	{name: "refused later", account: "777%07d", body: `{"serviceId":"P1011","account":"%s","amountTo":%s}`,
		pay: []centre.Answer{{Code: 1}, {Code: 300}}, ends: "refused"},
	{name: "international", account: "9989%07d", body: `{"serviceId":"P1030","account":"%s","amountTo":840.00}`, ends: "succeeded"},
	// The centre executes it and never says so legibly: two operators read its register.
	{name: "stuck", account: "777%07d", body: `{"serviceId":"P1011","account":"%s","amountTo":%s}`,
		pay: []centre.Answer{{Fault: centre.WrongEcho, Times: 1_000_000}}, ends: "resolved_succeeded"},
	// The centre refuses it and never says so legibly.
	{name: "stuck and refused", account: "777%07d", body: `{"serviceId":"P1011","account":"%s","amountTo":%s}`,
		pay: []centre.Answer{{Code: 300, Fault: centre.WrongEcho, Times: 1_000_000}}, ends: "resolved_refused"},
}

// TestADay scripts a day: 500 mixed payments, stuck ones, an empty balance, a
// top-up, operators. At its end the ledger, the journal and the centre's books
// agree to the tiyn, and reconciliation reports only matches.
func TestADay(t *testing.T) {
	t.Parallel()
	const payments = 500
	d := startDay(t)
	var group errgroup.Group
	group.SetLimit(25)
	for n := range payments {
		if n == payments/2 { // the balance runs out at noon
			require.NoError(t, group.Wait())
			require.NoError(t, d.centre.SetBalance(0))
		}
		group.Go(func() error { d.pays(n); return nil })
	}
	require.NoError(t, group.Wait())
	eventually(t, "payments wait for funds", func() bool { return len(d.list("resultCode=220")) > 20 })
	require.NoError(t, d.centre.SetBalance(900_000_000_0000))
	require.NoError(t, d.temporal.ScheduleClient().GetHandle(t.Context(), activities.ScheduleBalance).Trigger(t.Context(), client.ScheduleTriggerOptions{}))
	bulk := d.operate(d.aigul, "/v1/payments/actions", `{"filter":{"code":220},"action":"retry","reason":"the balance was topped up"}`)
	var counts struct{ Matched, Done, Refused, Failed int }
	require.NoError(t, json.Unmarshal([]byte(bulk), &counts), bulk)
	require.Equal(t, counts.Matched, counts.Done+counts.Refused+counts.Failed, bulk)

	d.resolveStuck()
	eventually(t, "every payment ends", func() bool {
		return len(d.list("state=accepted,checking,awaiting_payer,paying")) == 0
	})
	require.Len(t, d.ids, payments)
	d.agree()
	d.reconciled()
}

// startDay starts everything with tokens of a till and of two operators.
func startDay(t *testing.T) *day {
	t.Helper()
	i := startInfraWith(t, map[string]string{
		"API_TOKENS": "shop:agent:shop-secret,aigul:operator:aigul-secret,marat:operator:marat-secret",
	})
	i.worker()
	i.worker()
	as := func(secret string) *caller { return &caller{t: t, api: i.url(), token: secret} }
	return &day{infra: i, shop: as("shop-secret"), aigul: as("aigul-secret"), marat: as("marat-secret")}
}

// pays is one payment of the day, with the payer's answer if one is asked.
func (d *day) pays(n int) {
	d.t.Helper()
	kind := kinds[n%len(kinds)]
	account := fmt.Sprintf(kind.account, 1000+n)
	amount := fmt.Sprintf("%d.%02d", 100+n, n%100)
	body := fmt.Sprintf(kind.body, account, amount)
	if strings.Count(kind.body, "%s") == 1 {
		body = fmt.Sprintf(kind.body, account)
	}
	for call, answers := range map[string][]centre.Answer{"check": kind.check, "pay": kind.pay} {
		if len(answers) > 0 {
			require.NoError(d.t, d.centre.Script(centre.Script{Call: call, Account: account, Answers: answers}))
		}
	}
	var p payment
	status, answer := d.shop.do(http.MethodPost, "/v1/payments", body, map[string]string{"Idempotency-Key": fmt.Sprint("day-", n)}, &p)
	require.Contains(d.t, []int{http.StatusAccepted, http.StatusCreated}, status, answer)
	d.mu.Lock()
	d.ids = append(d.ids, p.ID)
	d.mu.Unlock()
	if kind.choice == "" {
		return
	}
	d.shop.finds(p.ID, "awaiting_payer")
	status, answer = d.shop.do(http.MethodPost, "/v1/payments/"+p.ID+"/pay", kind.choice, nil, nil)
	require.Contains(d.t, []int{http.StatusAccepted, http.StatusOK}, status, answer)
}

// operate sends what an operator wants and expects to be heard.
func (d *day) operate(who *caller, path, body string) string {
	d.t.Helper()
	status, answer := who.do(http.MethodPost, path, body, nil, nil)
	require.Contains(d.t, []int{http.StatusOK, http.StatusAccepted}, status, answer)
	return answer
}

// list reads all pages of payments that a filter finds.
func (d *day) list(filter string) (found []payment) {
	d.t.Helper()
	next := ""
	for {
		var page struct {
			Items []payment
			Next  string
		}
		status, answer := d.aigul.do(http.MethodGet, "/v1/payments?limit=500&"+filter+next, "", nil, &page)
		require.Equal(d.t, http.StatusOK, status, answer)
		found = append(found, page.Items...)
		if page.Next == "" {
			return found
		}
		next = "&cursor=" + page.Next
	}
}

// resolveStuck lets two operators settle what the centre never says legibly, by
// what its books say.
func (d *day) resolveStuck() {
	d.t.Helper()
	expected := map[string]int{"succeeded": 0, "refused": 0}
	for n := range len(d.ids) {
		switch kinds[n%len(kinds)].ends {
		case "resolved_succeeded":
			expected["succeeded"]++
		case "resolved_refused":
			expected["refused"]++
		}
	}
	open := "state=accepted,checking,awaiting_payer,paying"
	eventually(d.t, "only the stuck ones are left, and the centre is through with them", func() bool {
		left := d.list(open)
		for _, p := range left {
			if booked, _ := d.centre.Payment(number(d.t, p.ID)); !p.NeedsOperator || booked.State != centre.Executed && booked.State != centre.Refused {
				return false
			}
		}
		return len(left) == expected["succeeded"]+expected["refused"]
	})
	var group errgroup.Group
	group.SetLimit(10)
	for _, p := range d.list(open) {
		outcome := "refused"
		if booked, _ := d.centre.Payment(number(d.t, p.ID)); booked.State == centre.Executed {
			outcome = "succeeded"
		}
		group.Go(func() error {
			body := fmt.Sprintf(`{"outcome":%q,"reason":"the centre's answers are garbled","evidence":"register of the day"}`, outcome)
			d.operate(d.aigul, "/v1/payments/"+p.ID+"/resolve", body)
			sent := len(requests(d.t, d.centre, p.ID, "pay"))
			var ended payment
			require.NoError(d.t, json.Unmarshal([]byte(d.operate(d.marat, "/v1/payments/"+p.ID+"/resolve", body)), &ended))
			require.Equal(d.t, "resolved_"+outcome, ended.State)
			require.Len(d.t, requests(d.t, d.centre, p.ID, "pay"), sent, "a second operator's word calls nobody")
			return nil
		})
	}
	require.NoError(d.t, group.Wait())
}

// agree compares the ledger, the journal and the centre's books, payment by
// payment and in sum.
func (d *day) agree() {
	d.t.Helper()
	ends := map[string]int{}
	sum := centre.Tiyn(0)
	for _, p := range d.list("") {
		ends[p.State]++
		moved := d.centre.Effects(number(d.t, p.ID))
		booked, _ := d.centre.Payment(number(d.t, p.ID))
		switch p.State {
		case "succeeded", "resolved_succeeded":
			require.Equal(d.t, 1, moved, "payment %s is %s", p.ID, p.State)
			require.Equal(d.t, booked.AmountTo.String(), p.AmountTo.String(), "payment %s", p.ID)
			sum += booked.AmountTo
		default:
			require.Zero(d.t, moved, "payment %s is %s", p.ID, p.State)
		}
		d.journalled(p)
	}
	totals := d.centre.Totals()
	require.Zero(d.t, totals.EffectsOver)
	require.Equal(d.t, totals.Sum, sum, "what moved, to the tiyn")
	expected := map[string]int{}
	for n := range len(d.ids) {
		expected[kinds[n%len(kinds)].ends]++
	}
	require.Equal(d.t, expected, ends)
}

// journalled says that every request of the centre's books is in the journal, and
// that no byte of pay ever changed.
func (d *day) journalled(p payment) {
	d.t.Helper()
	attempts, bodies := map[string]int{}, map[string]bool{}
	waited := int64(0)
	for _, a := range d.aigul.attempts(p.ID) {
		attempts[a.Call]++
		require.True(d.t, a.Reported, "payment %s, attempt %d", p.ID, a.Attempt)
		if a.Call == "pay" {
			bodies[a.BodySHA256] = true
		}
		if a.Cause == "scheduled" && a.WaitedMs > 0 {
			require.Greater(d.t, a.WaitedMs, waited, "payment %s, attempt %d", p.ID, a.Attempt)
			waited = a.WaitedMs
		}
	}
	require.LessOrEqual(d.t, len(bodies), 1)
	for _, call := range []string{"check", "pay"} {
		booked := requests(d.t, d.centre, p.ID, call)
		require.Len(d.t, booked, attempts[call], "%s of payment %s", call, p.ID)
		for _, r := range booked {
			require.True(d.t, call == "check" || bodies[r.BodySHA256])
		}
	}
}

// reconciled sends the centre's registers of the day: only matches.
func (d *day) reconciled() {
	d.t.Helper()
	dates := map[string]int{} // two, if midnight came
	for _, p := range d.list("") {
		dates[p.AgentTransactionDate[:10]]++
	}
	for date, rows := range dates {
		var register bytes.Buffer
		require.NoError(d.t, d.centre.Register(date, &register, centre.Disturbance{Shuffle: 7}))
		answer := d.sendRegister(date, register.String())
		var got struct {
			Counts struct{ Match, Mismatch, MissingThere, MissingHere, Duplicate int }
		}
		require.NoError(d.t, json.Unmarshal([]byte(answer), &got), answer)
		require.Equal(d.t, rows, got.Counts.Match, answer)
		require.Zero(d.t, got.Counts.Mismatch+got.Counts.MissingThere+got.Counts.MissingHere+got.Counts.Duplicate, answer)
	}
}

func (d *day) sendRegister(date, register string) string {
	d.t.Helper()
	request, err := http.NewRequestWithContext(d.t.Context(), http.MethodPost, d.url()+"/v1/reconciliation?date="+date, strings.NewReader(register))
	require.NoError(d.t, err)
	request.Header.Set("Authorization", "Bearer "+d.aigul.token)
	request.Header.Set("Content-Type", "text/csv")
	response, err := httpClient.Do(request)
	require.NoError(d.t, err)
	defer func() { _ = response.Body.Close() }() // read to its end below
	raw, err := io.ReadAll(response.Body)
	require.NoError(d.t, err)
	require.Equal(d.t, http.StatusOK, response.StatusCode, string(raw))
	return string(raw)
}
