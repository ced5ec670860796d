package api_test

import (
	"database/sql"
	"encoding/csv"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tolem/api"
	"tolem/domain"
	"tolem/reconciliation"
	"tolem/storage"
)

const (
	someDay = "2026-01-31"
	dayPath = "/v1/reconciliation?date=" + someDay
	firstID = 175_000_000_000_000_000
)

// fillDay puts n payments of someDay into a SQLite ledger, in all states in turn.
func fillDay(t testing.TB, path string, n int) {
	t.Helper()
	inLedger(t, path, fmt.Sprintf(`
		INSERT INTO payments (id, caller, idempotency_key, request_sha256, service_id, account, amount_to, amount_from, extras,
			identity_card, full_name, auto_pay, agent_transaction_date, retry_initial, retry_factor_milli, state, needs_operator,
			operator_reason, step, attempts, waits, result_message, transaction_id, transaction_date, status_date,
			check_body, check_answer, asks_payer, pay_body, created_at, updated_at)
		WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < %d)
		SELECT %d + i, 'till', i, 'x', 'P10' || (10 + i %% 50), '%s',
			CASE WHEN i %% 10 = 2 THEN NULL ELSE (100 + i %% 1000) * 100 END,
			CASE WHEN i %% 10 = 2 THEN NULL ELSE (101 + i %% 1000) * 100 END, '{}',
			'', '%s', true, '%sT15:04:05', 1000000000, 2000,
			CASE i %% 10 WHEN 0 THEN 'accepted' WHEN 1 THEN 'checking' WHEN 2 THEN 'awaiting_payer' WHEN 3 THEN 'paying'
				WHEN 4 THEN 'succeeded' WHEN 5 THEN 'refused' WHEN 6 THEN 'cancelled' WHEN 7 THEN 'expired'
				WHEN 8 THEN 'resolved_succeeded' ELSE 'resolved_refused' END,
			false, '', 3, 2, 0, 'OK', CASE WHEN i %% 10 < 2 THEN NULL ELSE 100000000 + i END, '1499156402000', '1499156402000',
			zeroblob(300), '{"result":0}', '', zeroblob(300), 1769853845000000 + i, 1769853845000000 + i
		FROM n`, n, firstID, account, fullName, someDay))
}

// inLedger runs one statement on a ledger's file.
func inLedger(t testing.TB, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// dayBank is a bank whose ledger has n payments of someDay; path is its file.
func dayBank(t *testing.T, n int) (b *bank, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "ledger.db")
	ledger, err := storage.Open(t.Context(), "sqlite://"+path)
	must(t, err)
	t.Cleanup(func() { _ = ledger.Close() }) // closed twice where the test closes it
	_, err = ledger.Migrate(t.Context())
	must(t, err)
	if n > 0 {
		fillDay(t, path, n)
	}
	b = newBank(t, func(o *api.Options) { o.Ledger = ledger })
	b.ledger = ledger
	return b, path
}

// compare sends a register as the operator.
func (b *bank) compare(path, register string, header map[string]string) answer {
	b.t.Helper()
	all := map[string]string{"Content-Type": "text/csv"}
	for name, value := range header {
		all[name] = value
	}
	return b.send(call{method: http.MethodPost, path: path, body: register, token: secretOp, header: all})
}

type comparison struct {
	Date string
	reconciliation.Result
	IgnoredColumns []string
	Differences    []struct {
		Class, Kind        string
		Line, FirstLine    int
		AgentTransactionID string
		Here, There        map[string]any
	}
}

// What we export is what a register that agrees would say.
func TestExportAndCompareAgree(t *testing.T) {
	const n = 4500 // three pages
	b, path := dayBank(t, n)
	inLedger(t, path, fmt.Sprintf("UPDATE payments SET agent_transaction_date = '2026-02-01T00:00:00' WHERE id = %d", firstID+n-1))
	export := b.status(b.get(secretViewer, dayPath), http.StatusOK)
	if got := export.Header.Get("Content-Type"); !strings.HasPrefix(got, "text/csv") {
		t.Errorf("Content-Type %q", got)
	}
	if leak := leaked(string(export.body)); leak != "" {
		t.Errorf("the export holds %s", leak)
	}
	rows, err := csv.NewReader(strings.NewReader(string(export.body))).ReadAll()
	must(t, err)
	if !slices.Equal(rows[0], reconciliation.Columns()) || len(rows) != n {
		t.Fatalf("%d rows, %v", len(rows), rows[0])
	}
	var list struct {
		Date  string
		Items []struct{ AgentTransactionID, TransactionID, State string }
	}
	b.status(b.get(secretOp, dayPath+"&format=json"), http.StatusOK).decode(t, &list)
	if list.Date != someDay || len(list.Items) != n-1 {
		t.Fatalf("%d items of %s", len(list.Items), list.Date)
	}
	for i, item := range list.Items {
		row := rows[i+1]
		if row[0] != fmt.Sprint(firstID+i) || item.AgentTransactionID != row[0] || item.TransactionID != row[1] || item.State != row[8] {
			t.Fatalf("row %d is %v, item %+v", i, row, item)
		}
	}
	var result comparison
	b.status(b.compare(dayPath, string(export.body), nil), http.StatusOK).decode(t, &result)
	counts, open := reconciliation.Counts{Match: n - 1}, 4*n/10
	if result.Counts != counts || result.Open != open || len(result.Differences) != 0 || result.Date != someDay ||
		result.Rows != (reconciliation.Rows{Here: n - 1, There: n - 1}) || result.Amounts.Here != result.Amounts.There || result.Amounts.Here <= 0 {
		t.Errorf("%+v", result)
	}
}

const smallRegister = "transactionId;state;note;amountTo;agentTransactionId\r\n" +
	"100000004;paid;\"a;b\";104.00;175000000000000004\r\n" + // a match
	"100000008;paid;;109.00;175000000000000008\r\n" + // another amount
	";5;;105;175000000000000005\r\n" + // refused on both sides
	"100000004;paid;;1;175000000000000004\r\n" + // a duplicate
	"7;executed;;7;7\r\n" // not ours

func TestCompareReportsDifferences(t *testing.T) {
	b, _ := dayBank(t, 10)
	var result comparison
	a := b.status(b.compare(dayPath, smallRegister, nil), http.StatusOK)
	a.decode(t, &result)
	if got := a.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}
	want := reconciliation.Result{
		Counts: reconciliation.Counts{Match: 5, Mismatch: 5, MissingHere: 1, Duplicate: 1},
		Rows:   reconciliation.Rows{Here: 10, There: 5, OnlyHere: 7}, Amounts: reconciliation.Amounts{Here: 212_00, There: 221_00},
	}
	if result.Result != want || !slices.Equal(result.IgnoredColumns, []string{"note"}) {
		t.Errorf("%s", a.body)
	}
	var got []string
	for _, d := range result.Differences {
		got = append(got, fmt.Sprintf("%s %s %d %d %s", d.Class, d.Kind, d.Line, d.FirstLine, d.AgentTransactionID))
	}
	lines := []string{
		"missingHere absent 6 0 7",
		"mismatch open_here 0 0 175000000000000000", "mismatch open_here 0 0 175000000000000001",
		"mismatch open_here 0 0 175000000000000002", "mismatch open_here 0 0 175000000000000003",
		"duplicate id 5 2 175000000000000004", "mismatch amount 3 0 175000000000000008",
	}
	if !slices.Equal(got, lines) {
		t.Errorf("%q", got)
	}
	if d := result.Differences[6]; d.Here["amountTo"] != 108.00 || d.There["amountTo"] != 109.00 || d.Here["transactionId"] != "100000008" || d.There["state"] != "paid" {
		t.Errorf("%+v", d)
	}
	if !strings.Contains(string(a.body), `"amounts":{"here":212.00,"there":221.00}`) {
		t.Errorf("%s", a.body)
	}

	a = b.status(b.compare(dayPath, smallRegister, map[string]string{"Accept": "text/csv"}), http.StatusOK)
	rows, err := csv.NewReader(strings.NewReader(string(a.body))).ReadAll()
	must(t, err)
	if len(rows) != 9 || rows[0][0] != "class" || rows[1][4] != "7" || rows[8][0] != "summary" ||
		!strings.Contains(rows[8][1], `"counts":{"match":5,"mismatch":5,"missingThere":0,"missingHere":1,"duplicate":1}`) {
		t.Errorf("%s", a.body)
	}
	if want := "mismatch,amount,3,,175000000000000008,2026-01-31T15:04:05,100000008,P1018,108.00,resolved_succeeded,,100000008,,109.00,paid,,'175000000000000008"; strings.Join(rows[7], ",") != want {
		t.Errorf("%v", rows[7])
	}
}

func TestAnEmptyDay(t *testing.T) {
	b, _ := dayBank(t, 0)
	header := strings.Join(reconciliation.Columns(), ",") + "\n"
	if a := b.status(b.get(secretOp, dayPath), http.StatusOK); string(a.body) != header {
		t.Errorf("%q", a.body)
	}
	if a := b.status(b.get(secretOp, dayPath+"&format=json"), http.StatusOK); string(a.body) != `{"date":"2026-01-31","items":[]}`+"\n" {
		t.Errorf("%q", a.body)
	}
	want := `{"differences":[],"date":"2026-01-31","counts":{"match":0,"mismatch":0,"missingThere":0,"missingHere":0,"duplicate":0},"open":0,` +
		`"rows":{"here":0,"otherDay":0,"there":0,"onlyHere":0},"amounts":{"here":0.00,"there":0.00},` +
		`"registerSha256":"` + storage.Digest([]byte(header)) + `","ignoredColumns":[]}` + "\n"
	if a := b.status(b.compare(dayPath, header, nil), http.StatusOK); string(a.body) != want {
		t.Errorf("%s", a.body)
	}
	head := b.send(call{method: http.MethodHead, path: dayPath, token: secretOp})
	if b.status(head, http.StatusOK); len(head.body) != 0 || !strings.HasPrefix(head.Header.Get("Content-Type"), "text/csv") {
		t.Errorf("HEAD: %v %q", head.Header, head.body)
	}
}

func TestFormatsOfReconciliation(t *testing.T) {
	b, _ := dayBank(t, 1)
	const header = "agentTransactionId,amountTo,state\n"
	for accept, want := range map[string][2]string{ // GET, POST
		"": {"text/csv", "application/json"}, "*/*": {"text/csv", "application/json"}, "text/html": {"text/csv", "application/json"},
		"application/json": {"application/json", "application/json"}, "text/csv": {"text/csv", "text/csv"},
		"text/csv;q=0.5, application/json": {"application/json", "application/json"}, "text/*, application/json;q=0.9": {"text/csv", "text/csv"},
		"application/*;q=0": {"text/csv", "application/json"}, ";;,text/csv;q=x": {"text/csv", "application/json"},
	} {
		got := b.status(b.send(call{method: http.MethodGet, path: dayPath, token: secretOp, header: map[string]string{"Accept": accept}}), 200)
		posted := b.status(b.compare(dayPath, header, map[string]string{"Accept": accept}), 200)
		if !strings.HasPrefix(got.Header.Get("Content-Type"), want[0]) || !strings.HasPrefix(posted.Header.Get("Content-Type"), want[1]) {
			t.Errorf("%q: %q, %q", accept, got.Header.Get("Content-Type"), posted.Header.Get("Content-Type"))
		}
	}
	a := b.status(b.compare(dayPath+"&format=csv", header, map[string]string{"Accept": "application/json"}), 200)
	if !strings.HasPrefix(a.Header.Get("Content-Type"), "text/csv") {
		t.Errorf("%q", a.Header.Get("Content-Type"))
	}
}

func TestBadReconciliations(t *testing.T) {
	b, _ := dayBank(t, 1)
	for path, field := range map[string]string{
		"/v1/reconciliation": "date", "/v1/reconciliation?date=": "date", "/v1/reconciliation?date=2026-02-30": "date",
		"/v1/reconciliation?date=31.01.2026": "date", "/v1/reconciliation?date=2026-01-31T00:00:00": "date",
		dayPath + "&date=2026-01-30": "date", dayPath + "&format=xml": "format", dayPath + "&format=": "format", dayPath + "&limit=5": "limit",
	} {
		for _, a := range []answer{b.get(secretOp, path), b.compare(path, smallRegister, nil)} {
			if p := b.status(a, 400).problem(t); p.Code != "invalid_parameter" || len(p.Errors) != 1 || p.Errors[0].Field != field {
				t.Errorf("%s: %s", path, a.body)
			}
		}
	}
	for _, header := range []map[string]string{
		{"Content-Type": "application/json"}, {"Content-Type": ""}, {"Content-Type": "text/csv; charset=koi8-r"}, {"Content-Encoding": "gzip"},
	} {
		if p := b.status(b.compare(dayPath, smallRegister, header), 415).problem(t); !strings.Contains(p.Detail, "text/csv") {
			t.Errorf("%v: %s", header, p.Detail)
		}
	}
	var p struct {
		Code  string
		Lines []struct {
			Line          int
			Column, Code  string
			Message, Rule string
		}
	}
	b.status(b.compare(dayPath, smallRegister+"x;"+account+";;1;"+account+"x\r\n", nil), 400).decode(t, &p)
	if p.Code != "invalid_request" || len(p.Lines) != 3 || p.Lines[0].Line != 7 || p.Lines[0].Column != "agentTransactionId" ||
		p.Lines[0].Code != "format" || p.Lines[0].Message == "" || p.Lines[2].Code != "state" {
		t.Errorf("%+v", p)
	}
	b.status(b.compare(dayPath, strings.Repeat("x,y\n", 100), nil), 400).decode(t, &p)
	if len(p.Lines) != 3 {
		t.Errorf("%+v", p)
	}
}

// A day is compared by where two people recorded that the money is, not by the state; the
// state stays, and the export shows both.
func TestADayIsComparedAsCorrected(t *testing.T) {
	b, _ := dayBank(t, 10)
	const refused, paid = "175000000000000005", "175000000000000004"
	register := "agentTransactionId,transactionId,amountTo,state\n" + refused + ",555,105.00,paid\n" + paid + ",,104.00,refused\n"
	kinds := func() (found []string) {
		t.Helper()
		var result comparison
		b.status(b.compare(dayPath, register, nil), http.StatusOK).decode(t, &result)
		for _, d := range result.Differences {
			if d.AgentTransactionID == refused || d.AgentTransactionID == paid {
				found = append(found, d.Class+" "+d.Kind)
			}
		}
		return found
	}
	if got := kinds(); !slices.Equal(got, []string{"mismatch state", "mismatch state"}) {
		t.Fatalf("before the corrections: %q", got)
	}
	b.corrected(refused, domain.ReasonPaidAfterEnd, storage.IncidentClosing{Money: domain.MoneyMoved, TransactionNumber: "555"})
	b.corrected(paid, domain.ReasonRefusedAfterEnd, storage.IncidentClosing{Money: domain.MoneyNotMoved})
	if got := kinds(); len(got) != 0 {
		t.Errorf("after the corrections: %q", got)
	}
	register = strings.Replace(register, "555", "556", 1)
	if got := kinds(); !slices.Equal(got, []string{"mismatch transactionId"}) {
		t.Errorf("with another number there: %q", got)
	}
	export := b.status(b.get(secretViewer, dayPath), http.StatusOK)
	for _, end := range []string{",refused,moved,", ",succeeded,not_moved,", ",cancelled,,"} {
		if !strings.Contains(string(export.body), end) {
			t.Errorf("the export has no line with %q:\n%s", end, export.body)
		}
	}
	items := b.status(b.get(secretViewer, dayPath+"&format=json"), http.StatusOK)
	if !strings.Contains(string(items.body), `"state":"refused","correction":"moved"`) {
		t.Errorf("%s", items.body)
	}
}

// corrected has an incident of a payment closed by two people.
func (b *bank) corrected(payment string, why domain.OperatorReason, closing storage.IncidentClosing) {
	b.t.Helper()
	must(b.t, b.ledger.Raise(b.t.Context(), storage.OpenIncident{Process: domain.ProcessPayment, Subject: payment, Reason: why}, "a fact"))
	open, err := b.ledger.OpenIncidentsOf(b.t.Context(), domain.ProcessPayment, payment)
	must(b.t, err)
	for _, who := range []string{"aigul", "berik"} {
		_, err := b.ledger.ActOnIncident(b.t.Context(), open[0].ID, storage.Action{
			Action: domain.ActionClose, Caller: who, IdempotencyKey: payment, RequestSHA256: "x", Reason: reason, RequestedAt: storage.At(time.Now()),
		}, closing)
		must(b.t, err)
	}
}
