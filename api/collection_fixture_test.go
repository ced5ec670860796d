package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"tolem/api"
	"tolem/domain"
	"tolem/storage"
)

const (
	loansPath  = "/restapi/services/k2loan_from_eko"
	statusPath = "/restapi/services/k2req_status_from_eko"
	loanIBAN   = "KZ00125KZT" + account
	taken      = `{"error_text":"","error_code":0}` // of a loan, a batch or a status
)

// overdue is a loan of 10,000 with everything that no log may hold.
func overdue(contract string) string {
	return `{"iban":"` + loanIBAN + `","cur":"KZT","debt":10000.00,"fullname":"` + fullName + `","contract_number":"KD-own",` +
		`"dbz_contract_number":"` + contract + `","iinbin":"` + identityCard + `","overdue_days":90,"system":"way4"}`
}

// manyOverdue are n loans of contracts numbered from 0.
func manyOverdue(n int) string {
	loans := make([]string, n)
	for i := range loans {
		loans[i] = overdue(fmt.Sprintf("KD%05d", i))
	}
	return "[" + strings.Join(loans, ",") + "]"
}

// midday keeps a test's day from ending under it: here it is noon now.
func midday(o *api.Options) {
	now := time.Now().UTC()
	o.Location = time.FixedZone("midday", int((12*time.Hour - now.Sub(now.Truncate(24*time.Hour))).Seconds()))
}

// toK2 sends what the bank's collection system sends, and returns the answer, which has
// K2's shape and holds no value.
func (b *bank) toK2(path, body string, status int) string {
	b.t.Helper()
	a := b.status(b.send(call{method: http.MethodPost, path: path, body: body, token: secretK2}), status)
	var said struct {
		Text string `json:"error_text"`
		Code int    `json:"error_code"`
	}
	a.decode(b.t, &said)
	got := strings.TrimSuffix(string(a.body), "\n")
	if got != fmt.Sprintf(`{"error_text":%s,"error_code":%d}`, marshal(b.t, said.Text), said.Code) || (said.Code == 0) != (said.Text == "") {
		b.t.Errorf("%s is answered %s, which is not K2's shape", path, a.body)
	}
	if kind := a.Header.Get("Content-Type"); kind != "application/json" {
		b.t.Errorf("%s is answered in %s", path, kind)
	}
	if leak := leaked(got); leak != "" {
		b.t.Errorf("the answer leaks %s", leak)
	}
	return got
}

// answers sends a body and wants exactly this answer.
func (b *bank) answers(path, body, want string) {
	b.t.Helper()
	if got := b.toK2(path, body, http.StatusOK); got != want {
		b.t.Errorf("%.200s is answered\n%s, want\n%s", body, got, want)
	}
}

// refusal is K2's answer of a refusal.
func refusal(code int, text string) string {
	return fmt.Sprintf(`{"error_text":"%s","error_code":%d}`, text, code)
}

// takes has the contracts' loans taken in.
func (b *bank) takes(contracts ...string) {
	b.t.Helper()
	loans := make([]string, len(contracts))
	for i, c := range contracts {
		loans[i] = overdue(c)
	}
	b.answers(loansPath, "["+strings.Join(loans, ",")+"]", taken)
}

// collected is the contract's last payment order.
func (b *bank) collected(contract domain.ContractNumber) storage.PaymentOrder {
	b.t.Helper()
	o, err := b.ledger.PaymentOrder(context.Background(), contract)
	must(b.t, err)
	return o
}

// allCollected are all payment orders, the newest first.
func (b *bank) allCollected() []storage.PaymentOrder {
	b.t.Helper()
	found, _, err := b.ledger.PaymentOrders(context.Background(), storage.PaymentOrderFilter{}, "", 100_000)
	must(b.t, err)
	return found
}

// gathers has a part of the contract's dossier answered.
func (b *bank) gathers(contract domain.ContractNumber, part domain.DossierPart, state domain.PartState) {
	b.t.Helper()
	o, now := b.collected(contract), time.Now()
	g := storage.GatheredPart{
		Contract: contract, Asked: o.Account(), Call: storage.Call{Process: contract.WorkflowID(), Name: string(part), At: now, Cause: domain.CauseScheduled},
		Outcome: storage.Outcome{Kind: storage.Answered}, Item: storage.DossierItem{OrderID: o.ID, Part: part, State: state, Answer: fullName, UpdatedAt: storage.At(now)},
	}
	if state == domain.PartRefused {
		code := domain.Code(7)
		g.Reason, g.Item.ErrorCode, g.Item.ErrorText = domain.ReasonDossierRefused, 7, fullName
		g.Outcome = storage.Outcome{Kind: storage.Answered, Code: &code, Message: fullName, Failure: "refused"}
	}
	must(b.t, b.ledger.RecordPart(context.Background(), g))
}

// sends completes the contract's dossier and sends the request.
func (b *bank) sends(contract domain.ContractNumber) storage.PaymentOrder {
	b.t.Helper()
	for _, part := range domain.DossierParts() {
		b.gathers(contract, part, domain.PartGot)
	}
	sent, err := b.ledger.SendRequest(context.Background(), contract, b.collected(contract).ID, time.Now())
	must(b.t, err)
	if !sent {
		b.t.Fatal("the request was not sent")
	}
	return b.collected(contract)
}

// collects has a contract's loan taken in and its request sent.
func (b *bank) collects(contract domain.ContractNumber) storage.PaymentOrder {
	b.t.Helper()
	b.takes(contract.String())
	return b.sends(contract)
}

// collectedEvents are a contract's events in the order of their arrival, as
// "<seq> <status> <verdict> <state after>"; the seq is - while there is none.
func (b *bank) collectedEvents(contract domain.ContractNumber) (lines []string) {
	b.t.Helper()
	events, err := b.ledger.PaymentOrderEvents(context.Background(), contract, 0, 1000)
	must(b.t, err)
	for _, e := range events {
		seq := "-"
		if e.Seq != nil {
			seq = fmt.Sprint(*e.Seq)
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %s", seq, e.Status, e.Verdict, e.StateAfter))
	}
	return lines
}

// contractPath is where the API shows a contract, and what is below it.
func contractPath(contract domain.ContractNumber, below string) string {
	return "/v1/payment-orders/" + url.PathEscape(contract.String()) + below
}

// paymentOrder is the part of a payment order's answer that tests look at.
type paymentOrder struct {
	Contract      string      `json:"contract_number"`
	State         string      `json:"state"`
	NeedsOperator bool        `json:"needs_operator"`
	Why           string      `json:"operator_reason"`
	Held          bool        `json:"held"`
	CloseUntil    *time.Time  `json:"close_until"`
	Request       string      `json:"req_referer"`
	Order         string      `json:"pt_referer"`
	Debt          json.Number `json:"debt"`
	Amount        json.Number `json:"amount"`
	Paid          json.Number `json:"paid_amount"`
	OverdueDays   int         `json:"overdue_days"`
	ReportedOn    string      `json:"reported_on"`
	ContractDate  string      `json:"contract_date"`
	Dossier       []struct {
		Part, State string
		ErrorCode   int `json:"error_code"`
	}
	Unsent  int64      `json:"unsent_events"`
	EndedAt *time.Time `json:"ended_at"`
	Action  seenAction
}

func (a answer) paymentOrder(t *testing.T) (o paymentOrder) {
	t.Helper()
	a.decode(t, &o)
	return o
}

// shows reads a contract over the API; what it reads names nobody.
func (b *bank) shows(contract domain.ContractNumber) paymentOrder {
	b.t.Helper()
	a := b.status(b.get(secretViewer, contractPath(contract, "")), http.StatusOK)
	if leak := leaked(string(a.body)); leak != "" {
		b.t.Errorf("the answer leaks %s", leak)
	}
	return a.paymentOrder(b.t)
}

// wakes ends the server, so that nothing is under way any more, and returns the processes
// that were woken.
func (b *bank) wakes() (processes []string) {
	b.t.Helper()
	must(b.t, b.server.Shutdown(context.Background()))
	for _, w := range b.temporal.woken() {
		processes = append(processes, w.GetWorkflowId()+" "+w.GetSignalName())
	}
	return processes
}

// takesTomorrow has the contract's loan reported a day later.
func (b *bank) takesTomorrow(contract domain.ContractNumber) {
	b.t.Helper()
	now := time.Now()
	_, err := b.ledger.TakeLoans(context.Background(), storage.LoanBatch{
		Caller: "card", Day: now.UTC().Add(36 * time.Hour).Format(time.DateOnly), Digest: "tomorrow", At: now,
		Loans: []storage.Loan{{Contract: contract, IBAN: loanIBAN, Currency: "KZT", FullName: fullName, IINBIN: identityCard, Debt: 10_000_00}},
	})
	must(b.t, err)
}

// reports sends a status as K2 does; without a key where it is "".
func (b *bank) reports(contract domain.ContractNumber, key, body string) answer {
	b.t.Helper()
	return b.send(call{method: http.MethodPost, path: contractPath(contract, "/events"), body: body, token: secretK2, header: map[string]string{"Idempotency-Key": key}})
}

func mustReference(t *testing.T, s string) domain.Reference {
	t.Helper()
	r, err := domain.ParseReference(s)
	must(t, err)
	return r
}
