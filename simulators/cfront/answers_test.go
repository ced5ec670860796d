package cfront_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/simulators/cfront"
)

// with adds fields to a body.
func with(about, fields string) string { return strings.TrimSuffix(about, "}") + "," + fields + "}" }

func giveBack(about, id, sum string) string {
	return with(about, fmt.Sprintf(`"store_return_id":%q,"sum":%s,"return_money_to_card":true`, id, sum))
}

// Returns in part and in full, and what is none (4.9).
func TestReturns(t *testing.T) {
	both(t, func(s *stand) {
		least := `0.01`
		if !s.old() {
			least = `1.00`
			about := s.active("tiny")
			require.Equal(s.t, 400, s.call("order/return", giveBack(about, "r", "0.99")).status)
		}
		about := s.agreed("a")
		require.Equal(s.t, 400, s.call("order/return", giveBack(about, "r", "1.00")).status, "not before SUCCESS")
		require.Equal(s.t, 200, s.call("order/confirm", about).status)
		for _, wrong := range []string{giveBack(about, "r", "90000.01"), giveBack(about, "", "1.00"), giveBack(about, "r", "0.00"), giveBack(about, "r", "null")} {
			require.Equal(s.t, 400, s.call("order/return", wrong).status, wrong)
		}
		ok := func(id, sum string, returned cfront.Hundredths, state string) {
			s.t.Helper()
			require.Equal(s.t, `{"status":"OK"}`, s.call("order/return", giveBack(about, id, sum)).body)
			o, _ := s.Order("a")
			require.Equal(s.t, returned, o.Returned())
			s.is("a", about, state)
		}
		rest := map[bool]string{true: "59999.99", false: "59999.00"}[s.old()]
		ok("r1", "30000.00", 3_000_000, "SUCCESS/ACTIVE")
		ok("r1", "30000.00", 3_000_000, "SUCCESS/ACTIVE") // the same return
		ok("r1", "1.00", 3_000_000, "SUCCESS/ACTIVE")     // whatever its sum
		require.Equal(s.t, 400, s.call("order/return", giveBack(about, "r2", "60000.01")).status)
		require.NoError(s.t, s.Repay("a"))
		left := map[bool]cfront.Hundredths{true: 3_000_001, false: 3_000_100}[s.old()]
		ok("r2", least, left, "SUCCESS/DONE")
		ok("r3", rest, 9_000_000, "SUCCESS/RETURNED")
		ok("r3", rest, 9_000_000, "SUCCESS/RETURNED")
		require.Equal(s.t, 400, s.call("order/return", giveBack(about, "r4", "1.00")).status, "nothing is left")
		require.Equal(s.t, 3, strings.Count(s.call("order/data", about).body, `"sum"`))
	})
}

// What the bank itself does needs no store.
func TestBankActs(t *testing.T) {
	s := start(t, nil)
	about := s.active("a")
	require.ErrorIs(t, s.TakeBack("a", 9_000_001), cfront.ErrNoOrder)
	require.NoError(t, s.TakeBack("a", 100))
	require.NoError(t, s.TakeBack("a", 100)) // without an id each is another
	require.Contains(t, s.call("order/data", about).body, `"sum":1.00`)
	s.is("a", about, "SUCCESS/ACTIVE")
	require.NoError(t, s.TakeBack("a", 8_999_800))
	s.is("a", about, "SUCCESS/RETURNED")

	about = s.agreed("b")
	require.ErrorIs(t, s.PayOut("b"), cfront.ErrNoOrder)
	require.ErrorIs(t, s.Repay("b"), cfront.ErrNoOrder)
	require.ErrorIs(t, s.Approve("b"), cfront.ErrNoOrder)
	require.Equal(t, 200, s.call("order/confirm", about).status)
	require.NoError(t, s.PayOut("b"))
	require.Equal(t, true, s.call("order/check/paid", about).field("fully_paid"))
	require.ErrorIs(t, s.Fail("b", "FAIL"), cfront.ErrNoOrder)
}

// Both meanings of check/paid (4.7, 10).
func TestCheckPaid(t *testing.T) {
	both(t, func(s *stand) {
		about := s.agreed("a")
		require.Equal(s.t, 400, s.call("order/check/paid", about).status)
		require.Equal(s.t, 200, s.call("order/confirm", about).status)
		paid := func(want, canReturn bool) {
			s.t.Helper()
			a := s.call("order/check/paid", about)
			require.Equal(s.t, []any{want, canReturn}, []any{a.field("fully_paid"), a.field("bank_can_return_money_to_card")})
		}
		paid(false, true)
		s.advances(time.Second)
		paid(true, true)
		s.set(func(c *cfront.Settings) { c.ClientRepaid = true })
		require.NoError(s.t, s.PayOut("a"))
		paid(false, true)
		require.NoError(s.t, s.Repay("a"))
		paid(true, true)
		require.Equal(s.t, 200, s.call("order/return", giveBack(about, "r", "90000.00")).status)
		paid(false, false)
	})
}

func TestLetters(t *testing.T) {
	both(t, func(s *stand) {
		about := s.creates("a", agrees, map[string]string{"additional_params": `{"ext_initial_sum":1500.50}`})
		for _, call := range []string{"order/data/for/guarantee/letter", "v2/order/data/for/guarantee/letter", "order/guarantee/letter"} {
			require.Equal(s.t, 400, s.call(call, about).status, "no contract yet")
		}
		s.advances(time.Second)
		one, two := s.call("order/data/for/guarantee/letter", about), s.call("v2/order/data/for/guarantee/letter", about)
		for _, part := range []string{`"agreement":"КД-00000001"`, `"agreement_date":"2026-02-17"`, `"customer_pay_amount":1500.50`, `"credit_amount":90000.00`, `"invoice_number":"17"`} {
			require.Contains(s.t, one.body, part)
			require.Contains(s.t, two.body, part)
		}
		require.NotContains(s.t, one.body, "contract_number")
		require.Contains(s.t, two.body, `"contract_number":"Б-1"`)
		named := with(about, `"invoice":{"number":"(18)","date":"2026-02-18"}`)
		require.Contains(s.t, s.call("order/data/for/guarantee/letter", named).body, `"invoice_number":"(18)"`)
		pdf := s.call("order/guarantee/letter", named)
		require.Equal(s.t, "application/pdf", pdf.header.Get("Content-Type"))
		require.Contains(s.t, pdf.body, `(Invoice \(18\) of 2026-02-18) Tj`)
		s.readable(pdf.body)
	})
}

// readable asserts that a PDF document's table of objects is right.
func (s *stand) readable(pdf string) {
	s.t.Helper()
	require.True(s.t, strings.HasPrefix(pdf, "%PDF-1.4\n") && strings.HasSuffix(pdf, "%%EOF\n"))
	var start, n, first int
	_, err := fmt.Sscanf(pdf[strings.LastIndex(pdf, "startxref\n"):], "startxref\n%d", &start)
	require.NoError(s.t, err)
	_, err = fmt.Sscanf(pdf[start:], "xref\n%d %d\n", &first, &n)
	require.NoError(s.t, err)
	entries := strings.Split(pdf[start:], "\n")[2:]
	for i := 1; i < n; i++ {
		require.Len(s.t, entries[i], 19)
		var at int
		_, err := fmt.Sscanf(entries[i], "%d", &at)
		require.NoError(s.t, err)
		require.True(s.t, strings.HasPrefix(pdf[at:], fmt.Sprintf("%d 0 obj\n", i)))
	}
}

func TestData(t *testing.T) {
	s := start(t, nil)
	about := s.active("a")
	for _, call := range []string{"order/data", "order/info"} {
		a := s.call(call, about)
		require.JSONEq(t, `{"total_sum":90000.00,"source":"STORE","invoice_number":"17","invoice_date":"2026-02-17","point_id":null,"store_order_id":"a",
			"create_timestamp":"2026-02-17T12:00:00","reverse_list":[],"maskedCard":"4441********0001","iban":null}`, a.body)
	}
	s.agreed("b")
	require.JSONEq(t, `{"orders":[{"order_id":"00000001-0000-4000-8000-000000001eef","invoice_number":"17","order_date":"2026-02-17","pay_parts":3,
		"commission_percent":2,"total_sum":90000.00,"transferred_sum":88200.00,"commission":1800.00,"operation_timestamp":"2026-02-17T12:00:01",
		"odb_contract_number":"КД-00000001"}]}`, s.call("store/report", `{"date":"2026-02-17"}`).body)
	require.Equal(t, `{"orders":[]}`, s.call("store/report", `{"date":"2026-02-18"}`).body)
	require.Equal(t, 400, s.call("store/report", `{"date":"2026-02-29"}`).status)
}
