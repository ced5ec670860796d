package api_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"

	"tolem/api"
	"tolem/domain"
	"tolem/partners/k2"
)

// The largest batch is taken whole, and brought up to date whole; of one loan more nothing
// is.
func TestLargestBatchOfLoans(t *testing.T) {
	b := newBank(t, midday)
	b.answers(loansPath, manyOverdue(k2.MaxLoans+1), refusal(1, "a batch holds at most 10000 loans"))
	b.tookNothing()
	largest := manyOverdue(k2.MaxLoans)
	b.answers(loansPath, largest, taken)
	if n := len(b.allCollected()); n != k2.MaxLoans {
		t.Errorf("%d payment orders", n)
	}
	b.answers(loansPath, strings.ReplaceAll(largest, `"debt":10000.00`, `"debt":9000.00`), taken)
	for _, o := range b.allCollected() {
		if o.Debt != 9000_00 {
			t.Fatalf("%s owes %s", o.Contract, o.Debt)
		}
	}
	if n := len(b.temporal.started()); n != 2 {
		t.Errorf("%d starts of two batches", n)
	}
}

// tookNothing checks that neither the ledger nor Temporal has anything.
func (b *bank) tookNothing() {
	b.t.Helper()
	if orders, starts := len(b.allCollected()), len(b.temporal.started()); orders != 0 || starts != 0 {
		b.t.Errorf("%d payment orders and %d starts of what was refused", orders, starts)
	}
}

// A body has 5 MiB and not a byte more, wherever it stands.
func TestLargestBodyOfLoans(t *testing.T) {
	b := newBank(t)
	loan := "[" + overdue("KD1") + "]"
	pad := strings.Repeat(" ", k2.MaxBatch-len(loan))
	for _, tooLarge := range []string{loan + pad + " ", " " + pad + loan, loan + pad + pad} {
		b.answers(loansPath, tooLarge, refusal(1, "the body is too large"))
	}
	b.tookNothing()
	for _, full := range []string{loan + pad, pad + loan} {
		b.answers(loansPath, full, taken)
	}
}

// A refusal names item, field and rule, and keeps nothing of the batch.
func TestLoansThatBreakARule(t *testing.T) {
	b := newBank(t)
	good, other := overdue("KD1"), overdue("KD2")
	change := func(from, to string) string { return "[" + good + "," + strings.Replace(other, from, to, 1) + "]" }
	for body, want := range map[string]string{
		``:                               refusal(1, "the body must be exactly one JSON array of loans"),
		good:                             refusal(1, "the body must be exactly one JSON array of loans"),
		"[" + good:                       refusal(1, "the body must be exactly one JSON array of loans"),
		"[" + good + "][]":               refusal(1, "the body must be exactly one JSON array of loans"),
		`[]`:                             refusal(1, "a batch holds at least one loan"),
		"[" + good + ",{},{}]":           refusal(2, "[1] is empty; [2] is empty"), // the document's place-holders
		"[" + good + `,"` + phone + `"]`: refusal(2, "[1] must be a JSON object"),
		"[" + good + "," + other + "," + good + "]":                  refusal(3, "[2] dbz_contract_number is that of [0] too: one contract is one loan in a batch"),
		change(loanIBAN, account):                                    refusal(2, "[1] iban must be a Kazakh IBAN of 20 characters"),
		change(`"KZT"`, `"tenge"`):                                   refusal(2, "[1] cur must be three capital letters"),
		change(`10000.00`, `-7017654321`):                            refusal(2, "[1] debt must be an amount above 0 with at most two decimals"),
		change(`"`+fullName+`"`, `["`+fullName+`"]`):                 refusal(2, "[1] fullname must have 1 to 300 printable characters"),
		change(`"KD-own"`, `""`):                                     refusal(2, "[1] contract_number must have 1 to 64 printable characters"),
		change(`"KD2"`, `" `+account+`"`):                            refusal(2, "[1] dbz_contract_number must have no spaces at its ends"),
		change(`"KD2"`, `".."`):                                      refusal(2, "[1] dbz_contract_number must have no . or .. between slashes"),
		change(identityCard, identityCard+"1"):                       refusal(2, "[1] iinbin must have 12 digits"),
		change(`"overdue_days":90`, `"overdue_days":7017654321`):     refusal(2, "[1] overdue_days must be an integer from 0 to 36500"),
		change(`"system":"way4"`, `"system":"`+long(51)+`"`):         refusal(2, "[1] system must have 1 to 50 printable characters"),
		change(`,"system":"way4"`, ``):                               refusal(2, "[1] system is missing"),
		change(`"cur"`, `"cur":"KZT","cur"`):                         refusal(2, "[1] cur must stand once"),
		change(`"cur"`, `"dbz_dt":"31.12.2020","cur"`):               refusal(2, "[1] dbz_dt must be a day such as 2020-01-31, from 2000-01-01 to one day ahead of now"),
		change(`"cur"`, `"dbz_dt":"0000-01-01","cur"`):               refusal(2, "[1] dbz_dt must be a day such as 2020-01-31, from 2000-01-01 to one day ahead of now"),
		strings.ReplaceAll(change(`"KZT"`, `"KZT"`), `"KZT"`, `398`): refusal(2, "[0] cur must be three capital letters; [1] cur must be three capital letters"),
		change(`"cur":"KZT","debt":10000.00`, `"cur":"","debt":"0"`): refusal(2, "[1] cur must be three capital letters; [1] debt must be an amount above 0 with at most two decimals"),
	} {
		b.answers(loansPath, body, want)
	}
	b.tookNothing()
}

// The same batch again is the same answer and the same process, also when it comes many
// times at once.
func TestSameLoansAgain(t *testing.T) {
	b := newBank(t, midday)
	body := "[" + overdue("KD1") + "," + overdue("ДБЗ/7 Қ") + "]"
	for _, a := range b.atOnce(8, func(int) answer {
		return b.send(call{method: http.MethodPost, path: loansPath, body: body, token: secretK2})
	}) {
		if got := strings.TrimSpace(string(b.status(a, http.StatusOK).body)); got != taken {
			t.Error(got)
		}
	}
	before := b.allCollected()
	b.answers(loansPath, body, taken)
	after := b.allCollected()
	if marshal(t, after) != marshal(t, before) || len(after) != 2 {
		t.Errorf("the repetition changed\n%+v\ninto\n%+v", before, after)
	}
	starts := b.temporal.started()
	if len(starts) == 0 {
		t.Fatal("no start")
	}
	for _, s := range starts { // Temporal starts one id once, and leaves one that has completed alone
		if s.GetWorkflowId() != starts[0].GetWorkflowId() || s.GetWorkflowType().GetName() != "LoanIntake" ||
			s.GetWorkflowIdReusePolicy() != enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY ||
			s.GetWorkflowIdConflictPolicy() != enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING {
			t.Errorf("a second process: %s beside %s, %v", s.GetWorkflowId(), starts[0].GetWorkflowId(), s)
		}
	}
}

// A newer report brings debt and days up to date; references and amount stay.
func TestNewerReportOfALoan(t *testing.T) {
	b := newBank(t, midday)
	before := b.collects("KD1")
	references := regexp.MustCompile(`^EAR\d{13} PTP\d{13}$`)
	if o := b.shows("KD1"); !references.MatchString(o.Request+" "+o.Order) || o.State != "sent" || o.Debt != "10000.00" || o.Amount != "10000.00" || o.Paid != "0.00" {
		t.Errorf("%+v", o)
	}
	newer := strings.Replace(strings.Replace(overdue("KD1"), "10000.00", "12000.5", 1), `"overdue_days":90`, `"overdue_days":91`, 1)
	b.answers(loansPath, "["+strings.Replace(newer, "{", `{"dbz_dt":"2020-01-31",`, 1)+"]", taken)
	o := b.shows("KD1")
	if o.Debt != "12000.50" || o.OverdueDays != 91 || o.ContractDate != "2020-01-31" || o.Amount != "10000.00" ||
		o.Request != string(before.RequestRef) || o.Order != string(before.OrderRef) || o.State != "sent" {
		t.Errorf("%+v", o)
	}
	if n := len(b.allCollected()); n != 1 {
		t.Errorf("%d payment orders", n)
	}
}

// Without the ledger nothing is taken and nothing started: 503, in K2's own shape.
func TestK2WithoutTheLedger(t *testing.T) {
	b := newBank(t)
	reference := b.collects("KD1").OrderRef
	starts := len(b.temporal.started())
	must(t, b.ledger.Close())
	for path, body := range map[string]string{
		loansPath: "[" + overdue("KD2") + "]", statusPath: `{"reference":"` + string(reference) + `","status_code":"PC1"}`,
	} {
		if got := b.toK2(path, body, http.StatusServiceUnavailable); got != refusal(6, "nothing was stored; send the same again later") {
			t.Errorf("%s: %s", path, got)
		}
	}
	if n := len(b.temporal.started()); n != starts || len(b.wakes()) != 0 {
		t.Errorf("%d starts, %d before", n, starts)
	}
}

// What the ledger holds is taken, whatever Temporal says: the sweep starts it.
func TestK2WithoutTemporal(t *testing.T) {
	b := newBank(t, func(o *api.Options) { o.Temporal = noTemporal(t) })
	b.takes("KD1")
	b.answers(statusPath, `{"reference":"`+string(b.collected("KD1").OrderRef)+`","status_code":"PC3"}`, taken)
	same(t, b.collectedEvents("KD1"), []string{"- payment order activated taken activated"})
	if o := b.collected("KD1"); o.State != domain.PaymentOrderGathering || o.Reached != domain.PaymentOrderActivated {
		t.Errorf("%s, reached %s", o.State, o.Reached)
	}
}
