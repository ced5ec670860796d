package api_test

import (
	"strings"
	"testing"
)

func statusOf(reference, code string) string {
	return `{"reference":"` + reference + `","status_code":"` + code + `"}`
}

// PC1 and PC3 move the order of their reference forward; what came before changes nothing,
// what leads back is refused.
func TestBankStatuses(t *testing.T) {
	b := newBank(t)
	o := string(b.collects("KD1").OrderRef)
	lost := string(b.collects("ДБЗ/7 Қ").OrderRef)
	back := refusal(5, "status_code leads back: the payment order is activated")
	for _, step := range []struct{ reference, code, want, state string }{
		{o, "PC1", taken, "accepted"},
		{o, "PC1", taken, "accepted"},
		{o, "PC3", taken, "activated"},
		{o, "PC3", taken, "activated"},
		{o, "PC1", taken, "activated"}, // once more what came in its time
		{lost, "PC3", taken, "activated"},
		{lost, "PC1", back, "activated"},
		{lost, "PC1", back, "activated"},
	} {
		b.answers(statusPath, statusOf(step.reference, step.code), step.want)
		order, err := b.ledger.PaymentOrderByReference(t.Context(), mustReference(t, step.reference))
		must(t, err)
		if string(order.State) != step.state {
			t.Errorf("%s after %s: %s", step.reference, step.code, order.State)
		}
	}
	same(t, b.collectedEvents("KD1"), []string{
		"1 request was sent taken sent", "2 payment order accepted taken accepted", "3 payment order activated taken activated",
	})
	same(t, b.collectedEvents("ДБЗ/7 Қ"), []string{"1 request was sent taken sent", "2 payment order activated taken activated"})
	woken := b.wakes()
	for _, process := range woken {
		if !strings.HasPrefix(process, "paymentorder/") || !strings.HasSuffix(process, " nudge") {
			t.Errorf("woke %s", process)
		}
	}
	if n := len(woken); n != 6 {
		t.Errorf("%d wakes of six statuses that were taken: %v", n, woken)
	}
}

// A status before the request waits for it, and is told after it.
func TestBankStatusBeforeTheRequest(t *testing.T) {
	b := newBank(t)
	b.takes("KD1")
	o := string(b.collected("KD1").OrderRef)
	for range 2 {
		b.answers(statusPath, statusOf(o, "PC3"), taken)
	}
	b.answers(statusPath, statusOf(o, "PC1"), refusal(5, "status_code leads back: the payment order is activated"))
	same(t, b.collectedEvents("KD1"), []string{"- payment order activated taken activated"})
	if state := b.shows("KD1").State; state != "gathering" {
		t.Error(state)
	}
	b.sends("KD1")
	same(t, b.collectedEvents("KD1"), []string{"2 payment order activated taken activated", "1 request was sent taken sent"})
	if state := b.shows("KD1").State; state != "activated" {
		t.Error(state)
	}
}

// A status is that of the order of its reference, also when the contract has a newer one.
func TestBankStatusOfAnEarlierOrder(t *testing.T) {
	b := newBank(t, midday)
	first := b.collects("KD1")
	b.status(b.reports("KD1", "no", `{"status":"payment order not accepted"}`), 201)
	b.takesTomorrow("KD1")
	second := b.collected("KD1")
	if second.ID == first.ID {
		t.Fatal("no second payment order")
	}
	b.answers(statusPath, statusOf(string(first.OrderRef), "PC1"), refusal(5, "status_code leads back: the payment order is not_accepted"))
	b.answers(statusPath, statusOf(string(second.OrderRef), "PC1"), taken)
	if o := b.collected("KD1"); o.Reached != "accepted" {
		t.Error(o.Reached)
	}
}

// A refusal names field and rule, and keeps nothing.
func TestBankStatusesThatBreakARule(t *testing.T) {
	b := newBank(t)
	o := b.collects("KD1")
	good := statusOf(string(o.OrderRef), "PC1")
	unknown := refusal(4, "reference is that of no payment order")
	form := refusal(2, "reference must be the reference of a payment order, as PTP00000000001")
	for body, want := range map[string]string{
		statusOf("PTP9999999999999", "PC1"):                unknown,
		statusOf("PTP00000000000001", "PC1"):               unknown, // another number than 0000000000001
		statusOf(string(o.RequestRef), "PC1"):              unknown, // of the request
		statusOf(account, "PC1"):                           form,
		statusOf("ptp0000000000001", "PC1"):                form,
		statusOf(string(o.OrderRef), "PC2"):                refusal(2, "status_code must be PC1 or PC3"),
		statusOf(string(o.OrderRef), "pc1"):                refusal(2, "status_code must be PC1 or PC3"),
		strings.Replace(good, `"PC1"`, account, 1):         refusal(2, "status_code must be PC1 or PC3"),
		strings.Replace(good, `"PC1"`, `null`, 1):          refusal(2, "status_code is missing"),
		strings.Replace(good, `{`, `{"reference":"x",`, 1): refusal(2, "reference must stand once"),
		`{}`:              refusal(2, "reference is missing; status_code is missing"),
		``:                refusal(1, "the body must be exactly one JSON object"),
		`[` + good + `]`:  refusal(1, "the body must be exactly one JSON object"),
		good + good:       refusal(1, "the body must be exactly one JSON object"),
		phone:             refusal(1, "the body must be exactly one JSON object"),
		padded(good, 1):   refusal(1, "the body is too large"),
		padded(good, 100): refusal(1, "the body is too large"),
	} {
		b.answers(statusPath, body, want)
	}
	same(t, b.collectedEvents("KD1"), []string{"1 request was sent taken sent"})
	b.answers(statusPath, padded(good, 0), taken)
	if n := len(b.wakes()); n != 1 {
		t.Errorf("%d wakes of one status", n)
	}
}

// padded is a status of 16 KiB and so many bytes more.
func padded(body string, more int) string { return body + strings.Repeat(" ", 16<<10-len(body)+more) }
