package endtoend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"

	"tolem/simulators/abs"
	centre "tolem/simulators/processing"
)

// What people and payers say in these tests. None of it may enter Temporal, and
// neither may an account or a name.
const (
	reason   = "the client calls for the third time"
	evidence = "letter 12/3 of the processing centre"

	contractsAccount = "990101300017" // three contracts
	receiptAccount   = "1234567897"   // the document's receipt

	contracts = `{"serviceId":"P0006","account":"` + contractsAccount + `","amountTo":200.00}`
	receipt   = `{"serviceId":"P0005","account":"` + receiptAccount + `","autoPay":false}`
)

// contractIDs are the document's three.
var contractIDs = []string{"000000587", "000000588", "000000589"}

// secondOperator confirms what the developer, as the first one, resolves.
func (i *infra) secondOperator() *caller {
	return &caller{t: i.t, api: i.url(), token: i.stack.SecondToken}
}

// private is everything that must not leave the ledger.
func private() []string {
	return append([]string{
		"77700177", contractsAccount, receiptAccount, "Тестов", reason, evidence, "simulator", "490187.125",
		"+77010", "Айгуль", "Примерова", "900101400011", "Телефон", // of instalment orders
		debtorIBAN, debtorIIN, "Предоставление кредита", // of payment orders, and what ABS says of them
	}, append(debtorNames(), contractIDs...)...)
}

// debtorNames are the parts of the name that the simulated ABS has for the debtor.
func debtorNames() []string { return strings.Fields(abs.InventClient(debtorIIN).FullName) }

// to is the plain payment for an account of its own, so that the partner can be
// told what to answer to it alone: a number of two digits.
func to(number int) (account, body string) {
	account = fmt.Sprintf("77700177%02d", number)
	return account, `{"serviceId":"P1011","account":"` + account + `","amountTo":200.00,"fullName":"Тестов Тест"}`
}

// scriptFor lays down the partner's answers for one account.
func scriptFor(t *testing.T, c *centre.Centre, call, account string, answers ...centre.Answer) {
	t.Helper()
	require.NoError(t, c.Script(centre.Script{Call: call, Account: account, Answers: answers}))
}

// said is an answer of the API to somebody who wants something of a payment.
type said struct {
	status int
	body   string
	payment
	Code  string `json:"code"` // of a problem
	Order struct {
		Effect string `json:"effect"`
	} `json:"order"`
}

// says sends a request until it is answered by anything but 503, after which the
// same request is safe.
func (c *caller) says(path, key, body string) (got said) {
	c.t.Helper()
	eventually(c.t, "an answer to "+path, func() bool {
		got = said{}
		got.status, got.body = c.do(http.MethodPost, path, body, map[string]string{"Idempotency-Key": key}, nil)
		return got.status != http.StatusServiceUnavailable
	})
	require.NoError(c.t, json.Unmarshal([]byte(got.body), &got), got.body)
	return got
}

// asked creates a payment and waits until it asks its payer.
func (c *caller) asked(key, body string) payment {
	c.t.Helper()
	return c.finds(c.paysFor(key, body).ID, "awaiting_payer")
}

func (c *caller) chooses(id, choice string) said {
	c.t.Helper()
	return c.says("/v1/payments/"+id+"/pay", "choice", choice)
}

func (c *caller) choosesContract(id, contract string) said {
	c.t.Helper()
	return c.chooses(id, `{"contractId":"`+contract+`"}`)
}

// orders has an operator order something. The key is the order's own; an
// operator's keys are one set over all payments.
func (c *caller) orders(id, action, key string) said {
	c.t.Helper()
	return c.says("/v1/payments/"+id+"/"+action, id+"-"+key, `{"reason":"`+reason+`"}`)
}

func (c *caller) resolves(id, outcome, key string) said {
	c.t.Helper()
	return c.says("/v1/payments/"+id+"/resolve", id+"-"+key, `{"outcome":"`+outcome+`","reason":"`+reason+`","evidence":"`+evidence+`"}`)
}

// did asserts what an order did.
func (s said) did(t *testing.T, status int, effect, state string) {
	t.Helper()
	require.Equal(t, status, s.status, s.body)
	require.Equal(t, effect, s.Order.Effect)
	require.Equal(t, state, s.State)
}

// refused asserts that an order did nothing, and why.
func (s said) refused(t *testing.T, code string) {
	t.Helper()
	require.Equal(t, http.StatusConflict, s.status, s.body)
	require.Equal(t, code, s.Code)
}

// answeredBy waits until a payment's last answer was a code.
func (c *caller) answeredBy(id string, code int) {
	c.t.Helper()
	eventually(c.t, fmt.Sprintf("payment %s was answered %d", id, code), func() bool {
		p := c.reads(id)
		return p.ResultCode != nil && *p.ResultCode == code
	})
}

// atOnce calls f with 0 to n-1 at the same moment and waits for all.
func atOnce(n int, f func(n int)) {
	begin := make(chan struct{})
	var all sync.WaitGroup
	for n := range n {
		all.Go(func() {
			<-begin
			f(n)
		})
	}
	close(begin)
	all.Wait()
}

// twentyAtATime calls f with 0 to n-1 and waits for all; the first that fails ends the test.
func twentyAtATime(t *testing.T, n int, f func(n int)) {
	t.Helper()
	var all sync.WaitGroup
	places := make(chan struct{}, 20)
	for n := range n {
		places <- struct{}{}
		if t.Failed() {
			break
		}
		all.Go(func() {
			defer func() { <-places }() // also when f ends by failing
			f(n)
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// agree asserts that our ledger and the partner's books say the same of a payment
// that ended: its money moved exactly once, or certainly not at all.
func agree(t *testing.T, user *caller, c *centre.Centre, id string) {
	t.Helper()
	p := user.reads(id)
	booked, known := c.Payment(number(t, id))
	switch p.State {
	case "succeeded":
		movedOnce(t, c, id)
		require.Equal(t, centre.Executed, booked.State)
		require.Equal(t, strconv.FormatInt(booked.TransactionID, 10), p.TransactionID)
	case "resolved_succeeded":
		movedOnce(t, c, id)
	case "cancelled", "expired":
		require.Zero(t, c.Effects(number(t, id)))
		require.Empty(t, requests(t, c, id, "pay"), "no pay was ever sent")
		require.True(t, !known || booked.State == centre.Checked, booked.State)
	case "refused", "resolved_refused":
		require.Zero(t, c.Effects(number(t, id)))
	default:
		t.Fatalf("payment %s is %s", id, p.State)
	}
	require.False(t, p.NeedsOperator)
}

// events reads a payment's history as far as it goes, for what f finds in it;
// there may be none.
func (i *infra) events(id string, f func(*historypb.HistoryEvent)) {
	i.t.Helper()
	events := i.temporal.GetWorkflowHistory(context.Background(), "payment/"+id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		var missing *serviceerror.NotFound
		if errors.As(err, &missing) {
			return
		}
		require.NoError(i.t, err)
		f(event)
	}
}

// updates is how many updates a payment's workflow has let in.
func (i *infra) updates(id string) (accepted int) {
	i.t.Helper()
	i.events(id, func(event *historypb.HistoryEvent) {
		if event.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED {
			accepted++
		}
	})
	return accepted
}

// waitsFor is how long the last timer of a payment's workflow was started for; 0
// before there is one.
func (i *infra) waitsFor(id string) (timer time.Duration) {
	i.t.Helper()
	i.events(id, func(event *historypb.HistoryEvent) {
		if started := event.GetTimerStartedEventAttributes(); started != nil {
			timer = started.GetStartToFireTimeout().AsDuration()
		}
	})
	return timer
}
