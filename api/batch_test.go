package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tolem/api"
	"tolem/domain"
	"tolem/storage"
)

// batch is the answer to a batch.
type batch struct {
	BatchID string
	Counts  struct{ Rows, Accepted, Replayed, Refused int }
	Items   []struct {
		Index                   int
		Status, ID, State, Code string
		Errors                  []struct{ Field, Code, Message string }
	}
}

func (b *bank) sendBatch(key, body string) answer {
	b.t.Helper()
	return b.send(call{method: http.MethodPost, path: "/v1/payments/batch", body: body, token: secretAgent, header: map[string]string{"Idempotency-Key": key}})
}

// batch sends rows, and checks what is true of every answer to a batch.
func (b *bank) batch(key string, status int, rows ...string) batch {
	b.t.Helper()
	a := b.status(b.sendBatch(key, "["+strings.Join(rows, ",")+"]"), status)
	var got batch
	a.decode(b.t, &got)
	found := map[string]int{}
	for i, item := range got.Items {
		found[item.Status]++
		if item.Index != i || (item.Status == "refused") != (item.Code != "") || (item.Status == "refused") == (item.ID != "") || (item.ID == "") != (item.State == "") {
			b.t.Errorf("item %d: %+v", i, item)
		}
	}
	c := got.Counts
	if c.Rows != len(rows) || len(got.Items) != len(rows) || c.Accepted != found["accepted"] || c.Replayed != found["replayed"] ||
		c.Refused != found["refused"] || c.Rows != c.Accepted+c.Replayed+c.Refused {
		b.t.Errorf("counts %+v of %d items: %v", c, len(got.Items), found)
	}
	if replay := a.Header.Get("Idempotent-Replay") == "true"; replay != (c.Replayed == c.Rows) {
		b.t.Errorf("Idempotent-Replay %t beside %+v", replay, c)
	}
	if (c.Accepted > 0) != (status == http.StatusAccepted) || (status == http.StatusAccepted) != (a.Header.Get("Retry-After") != "") {
		b.t.Errorf("status %d and Retry-After %q beside %+v", status, a.Header.Get("Retry-After"), c)
	}
	if a.Header.Get("Location") != "/v1/payments?batchId="+got.BatchID || a.Header.Get("Idempotency-Key") != key {
		b.t.Errorf("header %v", a.Header)
	}
	if leak := leaked(string(a.body)); leak != "" {
		b.t.Errorf("the answer leaks %s", leak)
	}
	return got
}

// said is what an answer says of its rows, as "accepted", "replayed succeeded" or
// "refused code field rule".
func (b batch) said() (lines []string) {
	for _, item := range b.Items {
		line := item.Status
		if item.Status == "replayed" {
			line += " " + item.State
		}
		if item.Code != "" {
			line += " " + item.Code
		}
		for _, e := range item.Errors {
			line += " " + e.Field + " " + e.Code
		}
		lines = append(lines, line)
	}
	return lines
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// plain is a row with an amount of its own.
func plain(i int) string {
	return fmt.Sprintf(`{"serviceId":"P1011","account":"%s","amountTo":%d.00}`, account, i+1)
}

func plains(n int) []string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = plain(i)
	}
	return rows
}

func TestBatchIsAcceptedRowByRow(t *testing.T) {
	b := newBank(t)
	b.status(b.pay(with(`"amountTo":1,"agentTransactionId":70`), nil), http.StatusAccepted)
	id := func(id string) string { return with(`"amountTo":1,"agentTransactionId":` + id) }
	got := b.batch("mixed", http.StatusAccepted,
		simple, id("5"), `{"serviceId":"P1011"}`, id("70"), id(`"5"`), with(`"amountTo":1,"color":1`), `{"serviceId":"P1011","account":"x","amountTo":1}`,
		`{"serviceId":"P9","account":"x","amountTo":1}`, `{"extras":`+strings.Repeat("[", 9)+strings.Repeat("]", 9)+`}`,
		`{"account":"`+strings.Repeat("x", 64<<10)+`"}`, simple, `{"serviceId":"P0006","account":"123456789011","autoPay":false}`)
	same(t, got.said(), []string{
		"accepted", "accepted", "refused invalid_request account required amountTo required", "refused id_taken", "refused id_taken",
		"refused invalid_request color unknown", "refused invalid_request account pattern", "refused invalid_request serviceId unknown_service",
		"refused invalid_request  nesting", "refused invalid_request  too_long", "accepted", "accepted",
	})
	row, err := b.ledger.Payment(t.Context(), 5)
	must(t, err)
	if row.Caller != "till" || row.RetryInitial != 1e9 || row.BatchID == nil || row.BatchID.String() != got.BatchID || row.Account != account {
		t.Errorf("row %+v", row)
	}
	listed := b.list(secretAgent, url.Values{"batchId": {got.BatchID}})
	if len(listed) != 4 || !slices.Contains(listed, "5") || slices.Contains(listed, "70") {
		t.Errorf("the batch lists %v", listed)
	}
	if others := b.list(secretOther, url.Values{"batchId": {got.BatchID}}); len(others) != 0 {
		t.Errorf("another agent sees %v", others)
	}
	starts := b.temporal.woken()
	if len(starts) != 1 || starts[0].GetWorkflowId() != "intake/"+got.BatchID || starts[0].GetSignalName() != "more" || starts[0].GetTaskQueue().GetName() != "tolem" {
		t.Fatalf("starts %v", starts)
	}
	if leak := leaked(starts[0].String()); leak != "" || len(starts[0].String()) > 1000 {
		t.Errorf("Temporal was told personal data, or items: %s", leak)
	}
	metrics := string(b.get("", "/metrics").body)
	for _, line := range []string{
		"tolem_payments_accepted_total 5", `tolem_intake_items_total{kind="payments",result="accepted"} 4`, `tolem_intake_batches_total{kind="payments"} 1`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("%s is not in the metrics:\n%s", line, metrics)
		}
	}
}

// A batch is sent again with its bad rows mended: these are accepted, no other.
func TestBatchIsResumed(t *testing.T) {
	b := newBank(t)
	first := b.batch("k", http.StatusAccepted, plain(0), `{"serviceId":"P1011"}`, plain(2), plain(3))
	id, err := domain.ParseAgentTransactionID(first.Items[2].ID)
	must(t, err)
	_, _, err = b.ledger.End(t.Context(), storage.Ending{PaymentID: id, Step: 1, State: domain.StateCancelled})
	must(t, err)

	second := b.batch("k", http.StatusAccepted, plain(0), plain(1), plain(2), plain(99), plain(4))
	same(t, second.said(), []string{"replayed accepted", "accepted", "replayed cancelled", "refused idempotency_key_reused", "accepted"})
	if second.BatchID != first.BatchID || second.Items[0].ID != first.Items[0].ID || second.Items[2].ID != first.Items[2].ID {
		t.Errorf("the batch changed: %+v, then %+v", first, second)
	}
	third := b.batch("k", http.StatusOK, strings.Replace(plain(0), ".00", "", 1), plain(1), plain(2), plain(3), plain(4))
	same(t, third.said(), []string{"replayed accepted", "replayed accepted", "replayed cancelled", "replayed accepted", "replayed accepted"})
	if n := b.rows(); n != 5 {
		t.Errorf("%d rows, want 5", n)
	}
	if n := len(b.temporal.woken()); n != 3 {
		t.Errorf("%d starts of the intake, want one for each request while payments are accepted", n)
	}
	// Other keys, of batches and of single payments, know nothing of this one.
	b.batch("k2", http.StatusAccepted, plain(0))
	b.status(b.pay(plain(0), map[string]string{"Idempotency-Key": "k/0"}), http.StatusAccepted)
	b.status(b.pay(plain(7), map[string]string{"Idempotency-Key": "k"}), http.StatusAccepted)
	a := b.send(call{method: "POST", path: "/v1/payments/batch", body: "[" + plain(0) + "]", token: secretOther, header: map[string]string{"Idempotency-Key": "k"}})
	b.status(a, http.StatusAccepted)
	if n := b.rows(); n != 9 {
		t.Errorf("%d rows, want 9", n)
	}
}

func TestBatchOfRefusedRowsOnly(t *testing.T) {
	b := newBank(t)
	first := b.batch("k", http.StatusOK, `{}`, `{"serviceId":"P9","account":"x","amountTo":1}`)
	if b.rows() != 0 || len(b.temporal.woken()) != 0 {
		t.Errorf("%d rows, %d starts", b.rows(), len(b.temporal.woken()))
	}
	if mended := b.batch("k", http.StatusAccepted, plain(0), plain(1)); mended.BatchID != first.BatchID {
		t.Errorf("batch %s became %s", first.BatchID, mended.BatchID)
	}
	if ended := b.get(secretAgent, "/v1/payments?batchId=5"); string(ended.body) != "{\"items\":[]}\n" {
		t.Errorf("an unknown batch lists %s", ended.body)
	}
}

// A row with many mistakes names the first twenty.
func TestBatchNamesTwentyMistakes(t *testing.T) {
	b := newBank(t)
	var fields []string
	for i := range 5_000 {
		fields = append(fields, fmt.Sprintf(`"x%d":1`, i))
	}
	row := "{" + strings.Join(fields, ",") + "}"
	if got := b.batch("k", http.StatusOK, row); len(got.Items[0].Errors) != 20 {
		t.Errorf("%d errors", len(got.Items[0].Errors))
	}
	if p := b.status(b.pay(row, nil), http.StatusBadRequest).problem(t); len(p.Errors) != 200 {
		t.Errorf("%d errors of a single payment", len(p.Errors))
	}
}

func TestBadBatches(t *testing.T) {
	b := newBank(t)
	many := "[" + strings.Join(plains(10_001), ",") + "]"
	for name, c := range map[string]struct {
		body   string
		status int
		want   string // field and code of the only error
	}{
		"empty":             {"", 400, " json"},
		"an object":         {simple, 400, " json"},
		"null":              {"null", 400, " json"},
		"no rows":           {"[]", 400, " required"},
		"a number":          {"[" + simple + ",5]", 400, " type"},
		"null in it":        {"[null]", 400, " type"},
		"arrays in it":      {"[[" + simple + "]]", 400, " type"},
		"text in it":        {`["{}"]`, 400, " type"},
		"text after it":     {"[" + simple + "] x", 400, " json"},
		"two arrays":        {"[" + simple + "][]", 400, " json"},
		"cut off":           {"[" + simple, 400, " json"},
		"comma at the end":  {"[" + simple + ",]", 400, " json"},
		"lines of objects":  {simple + "\n" + simple, 400, " json"},
		"broken row":        {"[" + simple + ",{]", 400, " json"},
		"mark behind it":    {"[\ufeff" + simple + "]", 400, " json"},
		"broken UTF-8":      {"[{\"account\":\"\xff\"}]", 400, " json"},
		"very deep":         {strings.Repeat("[", 100_000), 400, " json"},
		"10,001 rows":       {many, 400, " too_long"},
		"a million numbers": {"[{}" + strings.Repeat(",{}", 1_000_000) + "]", 400, " too_long"},
		"over 16 MiB":       {"[" + simple + strings.Repeat(" ", 16<<20) + "]", 413, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := b.status(b.sendBatch("k", c.body), c.status).problem(t)
			got := ""
			for _, e := range p.Errors {
				got += e.Field + " " + e.Code
			}
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
	for name, c := range map[string]struct {
		key    string
		header map[string]string
		status int
		code   string
	}{
		"no key":      {"", nil, 400, "invalid_parameter"},
		"key of 101":  {strings.Repeat("k", 101), nil, 400, "invalid_parameter"},
		"with spaces": {"k 0", nil, 400, "invalid_parameter"},
		"not JSON":    {"k", map[string]string{"Content-Type": "text/csv"}, 415, "unsupported_media_type"},
	} {
		header := map[string]string{"Idempotency-Key": c.key}
		for k, v := range c.header {
			header[k] = v
		}
		a := b.status(b.send(call{method: "POST", path: "/v1/payments/batch", body: "[" + simple + "]", token: secretAgent, header: header}), c.status)
		if p := a.problem(t); p.Code != c.code {
			t.Errorf("%s: %s", name, p.Code)
		}
	}
	if b.rows() != 0 || len(b.temporal.woken()) != 0 {
		t.Errorf("%d rows and %d starts after bad requests only", b.rows(), len(b.temporal.woken()))
	}
	b.batch(strings.Repeat("k", 100), http.StatusAccepted, simple)
}

// Ten thousand rows that are all accepted are storage's test.
func TestBatchOfTenThousandRows(t *testing.T) {
	b := newBank(t)
	rows := append(slices.Repeat([]string{"{}"}, 9_000), plains(1_000)...)
	if got := b.batch("k", http.StatusAccepted, rows...); got.Counts.Accepted != 1_000 {
		t.Errorf("%+v", got.Counts)
	}
	if got := b.batch("k", http.StatusOK, rows...); got.Counts.Replayed != 1_000 {
		t.Errorf("%+v", got.Counts)
	}
}

func TestEqualBatchesAtOnce(t *testing.T) {
	b := newBank(t)
	rows := append(plains(30), with(`"amountTo":1,"agentTransactionId":5`), `{}`)
	answers := make([]answer, 20)
	var gate, done sync.WaitGroup
	gate.Add(1)
	for i := range answers {
		done.Go(func() {
			gate.Wait()
			answers[i] = b.sendBatch("at-once", "["+strings.Join(rows, ",")+"]")
		})
	}
	gate.Done()
	done.Wait()
	accepted, ids := 0, map[string]bool{}
	for _, a := range answers {
		var got batch
		a.decode(t, &got)
		if got.Counts.Refused != 1 || got.Counts.Accepted+got.Counts.Replayed != 31 {
			t.Errorf("%d: %+v", a.StatusCode, got.Counts)
		}
		accepted += got.Counts.Accepted
		for _, item := range got.Items[:31] {
			ids[item.ID] = true
		}
	}
	if accepted != 31 || len(ids) != 31 || b.rows() != 31 {
		t.Errorf("%d accepted, %d ids, %d rows; want 31 each", accepted, len(ids), b.rows())
	}
}

// A repetition needs the ledger and nothing else; new rows need the catalogue, all
// of them or none.
func TestBatchWithoutCatalogue(t *testing.T) {
	b := newBank(t)
	b.batch("k", http.StatusAccepted, plain(0), plain(1), `{}`)
	b.saved(storage.Catalogue{Content: `{"services":null}`, Services: 1, FetchedAt: storage.At(time.Now())}) // newer, and cannot be read
	restarted := newBank(t, func(o *api.Options) { o.Ledger, o.Temporal = b.ledger, noTemporal(t) })
	restarted.centre.SetDown(true)
	same(t, restarted.batch("k", http.StatusOK, plain(0), plain(1), `{}`).said(), []string{
		"replayed accepted", "replayed accepted", "refused invalid_request serviceId required account required amountTo required"})
	a := restarted.status(restarted.sendBatch("k", "["+plain(0)+","+plain(1)+","+plain(2)+"]"), http.StatusServiceUnavailable)
	if p := a.problem(t); p.Code != "catalogue_unavailable" || a.Header.Get("Retry-After") == "" || b.rows() != 2 {
		t.Errorf("%s, %d rows", a.body, b.rows())
	}
}

// Whatever the centre says of its services by now, a row that was accepted is.
func TestBatchRowOfAClosedService(t *testing.T) {
	b := newBank(t)
	closed := `{"serviceId":"P1011","account":"no phone","amountTo":1}`
	amount := domain.Money(100)
	request, _ := api.DecodePayment([]byte(closed))
	_, _, err := b.ledger.AcceptBatch(t.Context(), "till", "k", []storage.BatchRow{{Index: 1, Payment: storage.Payment{
		RequestSHA256: request, ServiceID: "P1011", Account: "no phone", AmountTo: &amount, CreatedAt: storage.At(time.Now()),
	}}})
	must(t, err)
	got := b.batch("k", http.StatusAccepted, plain(0), closed, closed)
	same(t, got.said(), []string{"accepted", "replayed accepted", "refused invalid_request account pattern"})
	got = b.batch("k", http.StatusOK, strings.Replace(closed, "P1011", "P9", 1), strings.Replace(closed, "no", "another", 1))
	same(t, got.said(), []string{"refused idempotency_key_reused", "refused idempotency_key_reused"})
}

func TestBatchWithoutTemporalOrLedger(t *testing.T) {
	b := newBank(t, func(o *api.Options) { o.Temporal = noTemporal(t) })
	got := b.batch("k", http.StatusAccepted, plains(3)...)
	if b.rows() != 3 || !strings.Contains(logged.String(), "process=intake/"+got.BatchID) {
		t.Errorf("%d rows, or the log does not name the batch that was not started", b.rows())
	}
	must(t, b.ledger.Close())
	for _, body := range []string{"[" + plain(0) + "]", "[{}]"} {
		a := b.status(b.sendBatch("k", body), http.StatusServiceUnavailable)
		if p := a.problem(t); p.Code != "ledger_unavailable" {
			t.Errorf("%s", a.body)
		}
	}
}

// Patterns are the centre's, and may take their time with each of many rows.
func TestBatchThatTakesTooLongToCheck(t *testing.T) {
	b := newBank(t)
	b.status(b.get(secretAgent, "/v1/services"), http.StatusOK)
	now := time.Now()
	b.server.SetClock(func() time.Time { now = now.Add(time.Second); return now })
	a := b.status(b.sendBatch("k", "["+strings.Join(plains(20), ",")+"]"), http.StatusServiceUnavailable)
	if p := a.problem(t); p.Code != "catalogue_unavailable" || b.rows() != 0 {
		t.Errorf("%s, %d rows", a.body, b.rows())
	}
	b.batch("k", http.StatusAccepted, plains(5)...)
}

func TestBatchExampleOfTheContract(t *testing.T) {
	b := newBank(t)
	example := document(t).Paths.Value("/v1/payments/batch").Post.RequestBody.Value.Content["application/json"].Example
	var got batch
	b.status(b.sendBatch("k", marshal(t, example)), http.StatusAccepted).decode(t, &got)
	if got.Counts.Accepted != 2 || got.Counts.Rows != 2 {
		t.Errorf("%+v", got)
	}
}
