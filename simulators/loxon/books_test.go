package loxon

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"
)

// document is the example of the document's page.
const document = `{
	"event_date": "2006-01-02 15:04:05",
	"bik": "HSBKKZKX",
	"pt_referer": "PTP0000000000001",
	"refuse_referer": "OP10000000000001",
	"req_referer": "EAR0000000000001",
	"contract_number": "KD0000000001",
	"debt": 8000.01,
	"amount": 10000.01,
	"paid_amount": 2000,
	"status": "request was sent"

}`

// record is the seq-th message about a contract.
func record(contract string, seq, offset int) kafka.Message {
	quoted, _ := json.Marshal(contract)
	return kafka.Message{
		Offset: int64(offset), HighWaterMark: int64(offset) + 1, Key: []byte(contract),
		Value: fmt.Appendf(nil, `{"event_date":"2026-03-01 12:00:00","bik":"HSBKKZKX","contract_number":%s,"debt":0,"amount":5,"paid_amount":%d,"status":"payment order executed"}`, quoted, seq),
		Headers: []kafka.Header{{Key: "event-id", Value: fmt.Appendf(nil, "%s/%d", contract, seq)}, {Key: "event-seq", Value: fmt.Append(nil, seq)},
			{Key: "process-id", Value: []byte("paymentorder/" + contract)}},
	}
}

// kinds are the faults' kinds, fields and problems.
func kinds(b books) (list []string) {
	for _, f := range b.faults {
		list = append(list, strings.TrimSpace(f.Kind+" "+f.Field)+": "+f.Problem)
	}
	return list
}

func TestReadsTheDocumentsExample(t *testing.T) {
	m, problems := read([]byte(document))
	require.Empty(t, problems)
	require.Equal(t, Message{
		EventDate: "2006-01-02 15:04:05", BIK: "HSBKKZKX", PTReferer: "PTP0000000000001", RefuseReferer: "OP10000000000001",
		ReqReferer: "EAR0000000000001", ContractNumber: "KD0000000001", Debt: "8000.01", Amount: "10000.01", PaidAmount: "2000",
		Status: "request was sent",
	}, m)
}

func TestStrictReading(t *testing.T) {
	for _, c := range []struct{ old, new, problem string }{
		{`"bik"`, `"BIK"`, "BIK is not a field of the document; bik is missing"},
		{`"debt": 8000.01`, `"debt": "8000.01"`, "debt is not a number of at most two decimals, not below zero"},
		{`8000.01`, `8000.010`, "debt is not a number of at most two decimals, not below zero"},
		{`8000.01`, `8e3`, "debt is not a number of at most two decimals, not below zero"},
		{`8000.01`, `-1`, "debt is not a number of at most two decimals, not below zero"},
		{`8000.01`, `null`, "debt is not a number of at most two decimals, not below zero"},
		{`2006-01-02 15:04:05`, `2006-01-02T15:04:05`, "event_date is not YYYY-MM-DD HH24:MI:SS"},
		{`2006-01-02 15:04:05`, `2006-01-02 15:04:05.5`, "event_date is not YYYY-MM-DD HH24:MI:SS"},
		{`2006-01-02 15:04:05`, `2006-02-30 15:04:05`, "event_date is not YYYY-MM-DD HH24:MI:SS"},
		{`request was sent`, `Request was sent`, "status is not a status of the document"},
		{`HSBKKZKX`, `HSBK`, "bik is not a BIC of 8 or 11 characters"},
		{`PTP0000000000001`, ``, "pt_referer is empty"},
		{`"PTP0000000000001"`, `1`, "pt_referer is not a text"},
		{`KD0000000001`, strings.Repeat("K", 1025), "contract_number is over 1 KiB"},
		{`"amount": 10000.01,`, ``, "amount is missing"},
		{`"paid_amount": 2000,`, ``, "paid_amount is missing"},
		{`"debt": 8000.01`, `"debt": 8000.01, "debt": 1`, "debt is there twice"},
		{`"debt": 8000.01`, `"debt": 8000.01, "x": {"y": [1]}`, "x is not a field of the document"},
		{"\n}", "\n}{}", "has something after its JSON object"},
		{"\n}", "\n", "is not a JSON object"},
		{"KD", "\xff", "is not UTF-8"},
		{"KD", strings.Repeat("K", 64<<10), "is over 64 KiB"},
		{document, `[]`, "is not a JSON object"},
		{document, ``, "is not a JSON object"},
	} {
		require.Contains(t, document, c.old)
		_, problems := read([]byte(strings.Replace(document, c.old, c.new, 1)))
		var texts []string
		for _, p := range problems {
			texts = append(texts, strings.TrimSpace(p.field+" "+p.text))
		}
		require.Equal(t, c.problem, strings.Join(texts, "; "))
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(document))
	f.Fuzz(func(t *testing.T, value []byte) {
		m, problems := read(value)
		if len(problems) == 0 && (m.ContractNumber == "" || m.Amount == "" || !json.Valid(value)) {
			t.Fatalf("%q is taken", value)
		}
	})
}

// Order, repeats and places, as the records of one contract come.
func TestSequence(t *testing.T) {
	type step struct {
		seq   int
		spoil func(*kafka.Message)
	}
	ok := func(seq int) step { return step{seq, nil} }
	skips := func(seq int, which string) step {
		return step{seq, func(m *kafka.Message) {
			m.Headers = append(m.Headers, kafka.Header{Key: "skipped-seq", Value: []byte(which)})
		}}
	}
	for name, c := range map[string]struct {
		steps                []step
		faults               []string
		missing              int64
		duplicates, distinct int
	}{
		"in order":           {[]step{ok(1), ok(2), ok(3)}, nil, 0, 0, 3},
		"repeated":           {[]step{ok(1), ok(1), ok(2), ok(1), ok(2)}, nil, 0, 3, 2},
		"gap":                {[]step{ok(1), ok(4), ok(5)}, []string{"gap: event-seq 4 follows 1"}, 2, 0, 3},
		"begins late":        {[]step{ok(2)}, []string{"gap: event-seq 2 follows 0"}, 1, 0, 1},
		"out of order":       {[]step{ok(1), ok(3), ok(2)}, []string{"gap: event-seq 3 follows 1", "order: event-seq 2 came after 3"}, 0, 0, 3},
		"deleted beginnings": {[]step{{4, func(m *kafka.Message) { m.Offset = 70 }}, ok(5), ok(5)}, nil, 0, 1, 2},
		"before the deleted": {[]step{{4, func(m *kafka.Message) { m.Offset = 70 }}, ok(2)}, []string{"order: event-seq 2 came after 4"}, 1, 0, 2},
		"changed": {[]step{ok(1), {1, func(m *kafka.Message) { m.Value = record("KD", 2, 0).Value }}},
			[]string{"changed: event-seq 1 came before with other bytes or other headers"}, 0, 0, 2},
		"changed id": {[]step{ok(1), {1, func(m *kafka.Message) { m.Headers[0].Value = []byte("KD/2") }}},
			[]string{"id event-id: is not the contract, a slash and event-seq", "changed: event-seq 1 came before with other bytes or other headers"}, 0, 0, 2},
		"set aside":           {[]step{ok(1), skips(4, "2,3"), skips(4, "2,3"), ok(5)}, nil, 0, 1, 3},
		"the first aside":     {[]step{skips(2, "1")}, nil, 0, 0, 1},
		"one more left out":   {[]step{ok(1), skips(4, "3")}, []string{"gap: event-seq 4 follows 1"}, 1, 0, 2},
		"set aside, and came": {[]step{ok(1), skips(3, "2"), ok(2)}, []string{"order: event-seq 2 came after 3"}, 0, 0, 3},
		"not directly before": {[]step{ok(1), skips(4, "2")},
			[]string{"header skipped-seq: is not a list of the numbers directly before event-seq", "gap: event-seq 4 follows 1"}, 2, 0, 2},
		"no list": {[]step{ok(1), skips(3, "2, ")},
			[]string{"header skipped-seq: is not a list of the numbers directly before event-seq", "gap: event-seq 3 follows 1"}, 1, 0, 2},
		"skips other": {[]step{ok(1), skips(3, "2"), ok(3)}, []string{"changed: event-seq 3 came before with other bytes or other headers"}, 0, 0, 3},
		"other partition": {[]step{ok(1), {2, func(m *kafka.Message) { m.Partition, m.Offset = 1, 0 }}},
			[]string{"partition: the contract's first message is in partition 0"}, 0, 0, 2},
		"other key": {[]step{{1, func(m *kafka.Message) { m.Value = record("KD2", 1, 0).Value }}},
			[]string{"key: is not the message's contract_number"}, 0, 0, 1},
		"no key":     {[]step{{1, func(m *kafka.Message) { m.Key = nil }}}, []string{"key: is missing"}, 0, 0, 1},
		"no headers": {[]step{{1, func(m *kafka.Message) { m.Headers = nil }}}, []string{"header event-id: is missing", "header event-seq: is missing"}, 0, 0, 1},
		"wrong seq":  {[]step{{1, func(m *kafka.Message) { m.Headers[1].Value = []byte("01") }}}, []string{"header event-seq: is not a number from 1"}, 0, 0, 1},
		"two seqs":   {[]step{{1, func(m *kafka.Message) { m.Headers = append(m.Headers, m.Headers[1]) }}}, []string{"header event-seq: is there twice"}, 0, 0, 1},
		"bad value":  {[]step{{1, func(m *kafka.Message) { m.Value = []byte("{") }}}, []string{"message: is not a JSON object"}, 0, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBooks("loxon")
			for at, s := range c.steps {
				m := record("KD", s.seq, at)
				if s.spoil != nil {
					s.spoil(&m)
				}
				b.take(m)
			}
			require.Equal(t, c.faults, kinds(b))
			books := b.accounts["KD"].view(true)
			require.Equal(t, c.missing, books.Missing)
			require.Equal(t, c.duplicates, books.Duplicates)
			require.Len(t, books.Events, c.distinct)
			require.Equal(t, len(c.faults), books.Faults)
			s := b.count()
			require.Equal(t, []any{len(c.steps), 1, c.duplicates, c.missing, len(c.faults)}, []any{s.Messages, s.Contracts, s.Duplicates, s.Gaps, s.Faults})
		})
	}
}

// A record without key and message is a fault of nobody.
func TestNobodysRecord(t *testing.T) {
	b := newBooks("loxon")
	b.take(kafka.Message{Partition: 3, Offset: 5, HighWaterMark: 8})
	require.Empty(t, b.accounts)
	require.Equal(t, Fault{Kind: FaultMessage, Problem: "is not a JSON object", Partition: 3, Offset: 5}, b.faults[0])
	require.Equal(t, int64(2), b.count().Lag)
	for range maxFaults {
		b.take(kafka.Message{Partition: 3, Offset: 6})
	}
	require.Len(t, b.faults, maxFaults)
	require.Equal(t, 4*(maxFaults+1), b.count().Faults)
}

func TestControl(t *testing.T) {
	c := &Consumer{books: newBooks("loxon")}
	server := httptest.NewServer(http.StripPrefix("/loxon", c.routes()))
	defer server.Close()
	const contract = "КД-1/26 ?%"
	c.take(record(contract, 1, 0))
	c.take(record(contract, 1, 1))
	c.take(record(contract, 3, 2))
	get := func(path string, status int) string {
		response, err := server.Client().Get(server.URL + "/loxon" + path)
		require.NoError(t, err)
		defer func() { _ = response.Body.Close() }() // read to its end
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.Equal(t, status, response.StatusCode, path)
		return string(body)
	}
	require.JSONEq(t, `{"topic":"loxon","partitions":0,"messages":3,"contracts":1,"duplicates":1,"gaps":1,"faults":1,"lag":0}`, get("/control", 200))
	require.JSONEq(t, `{"contracts":[{"contract":"КД-1/26 ?%","partition":0,"last":3,"missing":1,"duplicates":1,"faults":1}]}`, get("/control/contracts", 200))
	for _, path := range []string{url.PathEscape(contract), "КД-1/26%20%3F%25"} {
		var books Contract
		require.NoError(t, json.Unmarshal([]byte(get("/control/contracts/"+path, 200)), &books))
		require.Equal(t, contract, books.Contract)
		require.Len(t, books.Events, 2)
		require.Equal(t, json.Number("3"), books.Events[1].PaidAmount)
		require.Equal(t, contract+"/3", books.Events[1].ID)
	}
	require.JSONEq(t, `{"faults":[{"kind":"gap","problem":"event-seq 3 follows 1","contract":"КД-1/26 ?%","partition":0,"offset":2}]}`, get("/control/faults", 200))
	require.Contains(t, get("/control/contracts/KD2", 404), `"field":"contract"`)
	require.Equal(t, index, get("/", 200))
	require.Contains(t, get("/control/other", 404), "GET /control")
}

func TestOptions(t *testing.T) {
	_, err := New(Options{Topic: "loxon"})
	require.ErrorContains(t, err, "Brokers")
	_, err = New(Options{Brokers: []string{"127.0.0.1:1"}})
	require.ErrorContains(t, err, "Topic")
	c, err := New(Options{Brokers: []string{"127.0.0.1:1"}, Topic: "loxon"}) // nobody listens there
	require.NoError(t, err)
	require.Zero(t, c.Summary().Messages)
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
}
