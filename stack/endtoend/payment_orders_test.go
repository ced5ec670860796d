package endtoend

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.temporal.io/api/workflowservice/v1"

	"tolem/activities"
	"tolem/domain"
	"tolem/simulators/abs"
)

// paymentOrder is the API's view, as far as tests read it.
type paymentOrder struct {
	State         string      `json:"state"`
	NeedsOperator bool        `json:"needs_operator"`
	Reason        string      `json:"operator_reason"`
	Reference     string      `json:"pt_referer"`
	Paid          json.Number `json:"paid_amount"`
	Dossier       []struct{ Part, State, Sha256 string }
}

// toldEvent is one message of Loxon's topic, as a reader of its own sees it.
type toldEvent struct {
	contract, id, seq, skipped, value string
}

// The debtor of every loan, invented.
const (
	debtorIBAN = "KZ86125KZT5004100100"
	debtorIIN  = "900202300126"
)

func loanJSON(contract string, debt int) string {
	return fmt.Sprintf(`{"iban":%q,"cur":"KZT","debt":%d,"fullname":"Тестов Тест","contract_number":"KD-own",`+
		`"dbz_contract_number":%q,"iinbin":%q,"overdue_days":90,"system":"way4"}`, debtorIBAN, debt, contract, debtorIIN)
}

func (c *caller) sendsLoans(loans ...string) (code int, text string) {
	c.t.Helper()
	return c.sendsToK2("k2loan_from_eko", "["+strings.Join(loans, ",")+"]")
}

func (c *caller) sendsToK2(service, body string) (code int, text string) {
	c.t.Helper()
	var answer struct {
		Text string `json:"error_text"`
		Code int    `json:"error_code"`
	}
	status, raw := c.do(http.MethodPost, "/restapi/services/"+service, body, nil, &answer)
	require.Equal(c.t, http.StatusOK, status, raw)
	return answer.Code, answer.Text
}

func contractPath(contract string) string { return "/v1/payment-orders/" + url.PathEscape(contract) }

func (c *caller) readsContract(contract string) (o paymentOrder) {
	c.t.Helper()
	status, raw := c.do(http.MethodGet, contractPath(contract), "", nil, &o)
	require.Equal(c.t, http.StatusOK, status, raw)
	return o
}

func (c *caller) findsContract(contract, state string) paymentOrder {
	c.t.Helper()
	eventually(c.t, "contract "+contract+" is "+state, func() bool { return c.readsContract(contract).State == state })
	return c.readsContract(contract)
}

func (c *caller) reports(contract, key, body string) int {
	c.t.Helper()
	status, _ := c.do(http.MethodPost, contractPath(contract)+"/events", body, map[string]string{"Idempotency-Key": key}, nil)
	return status
}

func (c *caller) actsOnContract(contract, action, key string) int {
	c.t.Helper()
	status, _ := c.do(http.MethodPost, contractPath(contract)+"/"+action, `{"reason":"found it"}`, map[string]string{"Idempotency-Key": key}, nil)
	return status
}

// told reads everything that is on Loxon's topic, with a client that is not ours.
func (i *infra) told(atLeast int) (events []toldEvent) {
	i.t.Helper()
	reader, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(i.env["KAFKA_BROKERS"], ",")...), kgo.ConsumeTopics("loxon"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	require.NoError(i.t, err)
	defer reader.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for len(events) < atLeast {
		fetched := reader.PollFetches(ctx)
		require.NoError(i.t, fetched.Err())
		fetched.EachRecord(func(r *kgo.Record) {
			e := toldEvent{contract: string(r.Key), value: string(r.Value)}
			for _, h := range r.Headers {
				switch h.Key {
				case "event-id":
					e.id = string(h.Value)
				case "event-seq":
					e.seq = string(h.Value)
				case "skipped-seq":
					e.skipped = string(h.Value)
				}
			}
			events = append(events, e)
		})
	}
	return events
}

// statusesOf are a contract's statuses and sums in the order of the topic. A repetition has
// the same id and bytes; a gap or a change fails.
func statusesOf(t *testing.T, events []toldEvent, contract string) (told []string) {
	t.Helper()
	last := toldEvent{}
	for _, e := range events {
		if e.contract != contract {
			continue
		}
		if e.seq == last.seq {
			require.Equal(t, last, e, "a repetition is the same")
			continue
		}
		last = e
		require.Equal(t, fmt.Sprint(len(told)+1), e.seq, "a gap")
		require.Equal(t, contract+"/"+e.seq, e.id)
		var m struct {
			Status   string      `json:"status"`
			Paid     json.Number `json:"paid_amount"`
			Contract string      `json:"contract_number"`
		}
		require.NoError(t, json.Unmarshal([]byte(e.value), &m))
		require.Equal(t, contract, m.Contract)
		told = append(told, m.Status+" "+m.Paid.String())
	}
	return told
}

// Loans from intake to their ends: ABS drops answers and refuses a scan, statuses come
// early, twice and out of order, workers die, and a contract returns.
func TestPaymentOrders(t *testing.T) {
	t.Parallel()
	i := startInfra(t)
	user := i.caller()
	system := i.stack.Partners().ABS
	for _, call := range []string{abs.CallClient, abs.CallAccounts, abs.CallStatement, abs.CallScan} {
		require.NoError(t, system.Storm(abs.Storm{Call: call, Seed: 7, LostAnswer: 0.3, ResetBefore: 0.2}))
	}
	dies := i.worker()

	code, text := user.sendsLoans(loanJSON("KD1", 10000), "{}")
	require.Equal(t, 2, code)
	require.Equal(t, "[1] is empty", text)
	for range 2 { // sent again it changes nothing
		code, text = user.sendsLoans(loanJSON("KD1", 10000), loanJSON("ДБЗ/7 Қ", 2000), loanJSON("KD3", 500))
		require.Zero(t, code, text)
	}
	require.Equal(t, http.StatusCreated, user.reports("KD1", "early", `{"status":"request confirmed"}`))
	dies.kill()
	worker := i.worker()
	first := user.findsContract("KD1", "confirmed")
	require.Len(t, first.Dossier, 4)
	require.Len(t, first.Dossier[3].Sha256, 64)

	code, text = user.sendsToK2("k2req_status_from_eko", `{"reference":"PTP9999999999999","status_code":"PC1"}`)
	require.Equal(t, 4, code, text)
	for range 2 {
		code, text = user.sendsToK2("k2req_status_from_eko", `{"reference":"`+first.Reference+`","status_code":"PC3"}`)
		require.Zero(t, code, text)
	}
	code, text = user.sendsToK2("k2req_status_from_eko", `{"reference":"`+first.Reference+`","status_code":"PC1"}`)
	require.Equal(t, 5, code, text)
	part := `{"status":"payment order executed","paid_amount":2500.50}`
	require.Equal(t, http.StatusCreated, user.reports("KD1", "e1", part))
	require.Equal(t, http.StatusOK, user.reports("KD1", "e1", part))
	require.Equal(t, http.StatusCreated, user.reports("KD1", "e2", part))
	require.Equal(t, http.StatusUnprocessableEntity, user.reports("KD1", "e3", `{"status":"payment order executed","paid_amount":5000}`))
	require.Equal(t, http.StatusCreated, user.reports("KD1", "e3b", `{"status":"payment order executed","paid_amount":4999}`))
	user.findsContract("KD1", "executed")
	require.Equal(t, http.StatusConflict, user.reports("KD1", "e4", `{"status":"payment order reversed"}`))
	require.Equal(t, http.StatusCreated, user.reports("KD1", "e5",
		`{"status":"reversal of payment order was not accepted (was executed before)","refuse_referer":"OP10000000000001"}`))

	user.findsContract("ДБЗ/7 Қ", "sent")
	require.Equal(t, http.StatusCreated, user.reports("ДБЗ/7 Қ", "n", `{"status":"payment order not accepted"}`))
	user.findsContract("KD3", "sent")
	require.Equal(t, http.StatusAccepted, user.actsOnContract("KD3", "close", "c1"))
	require.Equal(t, http.StatusConflict, user.actsOnContract("KD3", "close", "c2"))
	second := &caller{t: t, api: user.api, token: i.stack.SecondToken}
	require.Equal(t, http.StatusOK, second.actsOnContract("KD3", "close", "c1"))

	want := map[string][]string{
		"KD1": {"request was sent 0", "request confirmed 0", "payment order activated 0", "payment order executed 2500.5",
			"payment order executed 5001", "payment order executed 10000", "reversal of payment order was not accepted (was executed before) 10000"},
		"ДБЗ/7 Қ": {"request was sent 0", "payment order not accepted 0"},
		"KD3":     {"request was sent 0"},
	}
	events := i.told(10)
	for contract, statuses := range want {
		require.Equal(t, statuses, statusesOf(t, events, contract), contract)
	}
	eventually(t, "Loxon's own books hold what was told", func() bool { return i.stack.Loxon().Summary().Messages >= len(events) })
	books := i.stack.Loxon().Summary()
	require.Zero(t, books.Faults, i.stack.Loxon().Faults())
	require.Zero(t, books.Gaps)
	for contract, name := range map[string]string{"KD1": "told-after-the-end", "ДБЗ/7 Қ": "not-accepted", "KD3": "closed"} {
		number, err := domain.ParseContractNumber(contract)
		require.NoError(t, err)
		i.keep(i.closedHistory(number.WorkflowID(), ""), "paymentorder-"+name)
	}
	i.keepIntake()
	i.tellsNothing(dies, worker, i.api)
}

// keepIntake keeps the history of the intake of a batch of loans.
func (i *infra) keepIntake() {
	i.t.Helper()
	var found *workflowservice.ListWorkflowExecutionsResponse
	eventually(i.t, "the intake has ended", func() (ended bool) {
		var err error
		found, err = i.temporal.ListWorkflow(i.t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
			Query: "WorkflowType = '" + activities.WorkflowLoanIntake + "' AND ExecutionStatus = 'Completed'"})
		require.NoError(i.t, err)
		return len(found.GetExecutions()) > 0
	})
	require.Len(i.t, found.GetExecutions(), 1, "a batch that is sent again is started once")
	of := found.GetExecutions()[0].GetExecution()
	i.keep(i.closedHistory(of.GetWorkflowId(), of.GetRunId()), "loans-started")
}

// What ABS refuses waits for an operator, with the reason, and goes on when he says so.
func TestDossierThatABSRefuses(t *testing.T) {
	t.Parallel()
	i := startInfra(t)
	user := i.caller()
	i.worker()
	require.NoError(t, i.stack.Partners().ABS.Script(abs.Script{Call: abs.CallScan, Answers: []abs.Answer{{Fault: abs.Unknown}}}))
	code, text := user.sendsLoans(loanJSON("KD9", 700))
	require.Zero(t, code, text)
	eventually(t, "an operator is asked", func() bool { return user.readsContract("KD9").NeedsOperator })
	o := user.readsContract("KD9")
	require.Equal(t, "dossier_refused", o.Reason)
	require.Equal(t, "refused", o.Dossier[3].State)
	require.Equal(t, http.StatusOK, user.actsOnContract("KD9", "retry", "r1"))
	user.findsContract("KD9", "sent")
	require.False(t, user.readsContract("KD9").NeedsOperator)
	require.Equal(t, []string{"request was sent 0"}, statusesOf(t, i.told(1), "KD9"))
}
