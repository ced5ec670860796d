package endtoend

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tolem/simulators/abs"
	bank "tolem/simulators/cfront"
	centre "tolem/simulators/processing"
)

// terminal is a person who types commands, with a token of his own.
type terminal struct {
	*infra
	token string
}

// types gives a command to the binary, and returns what it prints and how it exits.
func (p terminal) types(args ...string) (out string, exit int) {
	p.t.Helper()
	return run(p.t, programs.tolem, map[string]string{"TZ": "Asia/Almaty", "TOLEM_API": p.url(), "TOLEM_TOKEN": p.token}, args...)
}

// sees expects a command to succeed and to print all of the words.
func (p terminal) sees(words []string, args ...string) string {
	p.t.Helper()
	out, exit := p.types(args...)
	require.Zero(p.t, exit, out)
	for _, w := range words {
		require.Contains(p.t, out, w)
	}
	return out
}

// finds waits until a command prints a word.
func (p terminal) finds(word string, args ...string) {
	p.t.Helper()
	eventually(p.t, strings.Join(args, " ")+" says "+word, func() bool {
		out, _ := p.types(args...)
		return strings.Contains(out, word)
	})
}

// People find what is stuck, read why, act, and see that it is not stuck any more, with
// nothing but the binary.
func TestVerbsOnWhatIsStuck(t *testing.T) {
	t.Parallel()
	i := startInfraWith(t, map[string]string{"CFRONT_RAISE": "1s"})
	i.worker()
	first, second := terminal{i, i.token}, terminal{i, i.stack.SecondToken}
	for _, part := range []struct {
		name string
		run  func(t *testing.T, first, second terminal)
	}{{"payment", stuckPayment}, {"order", stuckOrder}, {"payment order", stuckPaymentOrder}} {
		t.Run(part.name, func(t *testing.T) {
			i := i.in(t)
			part.run(t, terminal{i, first.token}, terminal{i, second.token})
		})
	}
	_, exit := first.types("payments", "show")
	require.Equal(t, 2, exit)
	i.api.terminate()
	out, exit := first.types("payments", "list")
	require.Equal(t, 3, exit, out)
}

func stuckPayment(t *testing.T, first, second terminal) {
	account, body := to(51)
	scriptFor(t, first.centre, "pay", account, centre.Answer{Code: 999, Transient: true, Times: 100_000}) // nothing moves
	id := first.caller().paysFor("stuck", body).ID
	first.finds(id, "payments", "list", "--stuck", "--state", "paying", "--code", "999", "--service", "P1011")
	first.sees([]string{"needs an operator", "a code that its document does not have", "tolem payments resolve " + id + " --outcome refused"}, "payments", "show", id)

	resolve := []string{"payments", "resolve", id, "--outcome", "refused", "--reason", reason, "--evidence", evidence}
	first.sees([]string{"done: it is proposed", "as the second operator"}, resolve...)
	asked := len(requests(t, first.centre, id, "pay"))
	first.sees([]string{"already done", "and not again"}, resolve...)
	out, exit := first.types(append(resolve, "--idempotency-key", "other")...)
	require.Equal(t, 1, exit, out)
	require.Contains(t, out, "second_operator_needed (HTTP 409)")
	second.sees([]string{"done: it is resolved", "is resolved_refused"}, resolve...)
	require.Len(t, requests(t, first.centre, id, "pay"), asked, "neither the repetition nor the second one calls anybody")
	require.Zero(t, first.centre.Effects(number(t, id)))

	first.sees([]string{"nothing is stuck"}, "payments", "list", "--stuck")
	manyPayments(first)
	first.sees([]string{"two operators decided that the money did not move", "dev", "second", reason, evidence}, "payments", "show", id)
	out, exit = first.types("payments", "retry", id, "--reason", reason)
	require.Equal(t, 1, exit, out)
	require.Contains(t, out, "payment_ended (HTTP 409)")
}

// manyPayments counts first, then does it for those that are counted.
func manyPayments(first terminal) {
	account, body := to(52)
	scriptFor(first.t, first.centre, "pay", account, centre.Answer{Code: 220, Times: 100_000})
	ids := []string{first.caller().paysFor("many-1", body).ID, first.caller().paysFor("many-2", body).ID}
	for _, id := range ids {
		first.caller().answeredBy(id, 220)
	}
	many := []string{"payments", "many", "hold", "--state", "paying", "--code", "220", "--reason", reason}
	first.sees([]string{"2 payments match: hold would be done for 2", "nothing was done, --yes does it"}, many...)
	require.False(first.t, first.caller().reads(ids[0]).Held)
	first.sees([]string{"2 payments matched: hold was done for 2, refused for 0, unknown for 0"}, append(many, "--yes")...)
	require.True(first.t, first.caller().reads(ids[1]).Held)
	many[2] = "retry"
	first.sees([]string{"2 payments matched: retry was done for 0, refused for 2", "payment_held"}, append(many, "--yes")...)
	require.NoError(first.t, first.centre.ClearScripts())
	many[2] = "release"
	first.sees([]string{"release was done for 2"}, append(many, "--yes")...)
	for _, id := range ids {
		first.caller().finds(id, "succeeded")
		movedOnce(first.t, first.centre, id)
	}
	for _, wrong := range [][]string{{"payments", "many"}, {"payments", "many", "pay"}, {"payments", "many", "retry", "--reason", "x"}, {"payments", "many", "retry", "--code", "220"}} {
		out, exit := first.types(wrong...)
		require.Equal(first.t, 2, exit, out)
	}
}

func stuckOrder(t *testing.T, first, _ terminal) {
	const id = "чек 12/7"
	require.NoError(t, first.bank.Script(bank.Script{Call: "order/create", StoreOrderID: id, Answers: []bank.Answer{{Fault: bank.ResetBefore, Times: 100_000}}}))
	first.caller().sells(id, clientAgrees, "")
	first.finds("create_unknown", "orders", "list", "--stuck")
	first.sees([]string{"nobody knows whether the bank has the order", "tolem orders retry '" + id + "'"}, "orders", "show", id)
	first.sees([]string{"done: it is held"}, "orders", "hold", id, "--reason", reason)
	status, raw := first.caller().do(http.MethodGet, "/v1/orders?held=true", "", map[string]string{"Accept-Language": "en"}, nil)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, raw, first.sees(nil, "orders", "list", "--held", "--json"), "the API's JSON as it came")
	require.NoError(t, first.bank.ClearScripts())
	first.sees([]string{"done: it is released"}, "orders", "release", id, "--reason", reason)
	first.finds("order "+id+" is waiting_for_store", "orders", "show", id)
	first.sees([]string{"nothing is stuck"}, "orders", "list", "--stuck")
}

func stuckPaymentOrder(t *testing.T, first, _ terminal) {
	const contract = "ДБЗ/51 Қ"
	require.NoError(t, first.stack.Partners().ABS.Script(abs.Script{Call: abs.CallScan, Answers: []abs.Answer{{Fault: abs.Unknown}}}))
	code, text := first.caller().sendsLoans(loanJSON(contract, 700))
	require.Zero(t, code, text)
	first.finds("dossier_refused", "payment-orders", "list", "--stuck")
	first.sees([]string{"refuses a part of the dossier", "tolem payment-orders retry '" + contract + "'"}, "payment-orders", "show", contract)
	first.sees([]string{"done: what is missing is asked for"}, "payment-orders", "retry", contract, "--reason", reason)
	first.finds("payment order of contract "+contract+" is sent", "payment-orders", "show", contract)
	first.sees([]string{"nothing is stuck"}, "payment-orders", "list", "--stuck")
	first.finds("loxon/", "payment-orders", "events", contract)
}
