package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"tolem/api"
	"tolem/storage"
)

// A byte order mark before a body changes nothing: not what is taken, nor what it is a
// repetition of.
func TestByteOrderMark(t *testing.T) {
	const mark = "\ufeff"
	onBothLedgers(t, func(t *testing.T, b *bank) {
		key := map[string]string{"Idempotency-Key": "key-1"}
		first := b.status(b.pay(mark+simple, key), http.StatusAccepted).payment(t)
		if again := b.status(b.pay(simple, key), http.StatusAccepted).payment(t); again.ID != first.ID {
			t.Errorf("%s, want %s", again.ID, first.ID)
		}
		b.status(b.sendBatch("rows", mark+"["+simple+"]"), http.StatusAccepted)
		b.status(b.sell(mark+instalmentOrder), http.StatusAccepted)
		b.answers(loansPath, mark+"["+overdue("KD1")+","+strings.Replace(overdue("KD2"), " ", "\u00a0", 1)+"]", taken)
		for _, o := range b.allCollected() {
			if strings.Contains(o.FullName, "\u00a0") || o.FullName == "" {
				t.Errorf("%s: %q", o.Contract, o.FullName)
			}
		}
		b.answers(statusPath, mark+`{"reference":"PTP1","status_code":"PC1"}`, refusal(4, "reference is that of no payment order"))
	})
}

// A payment that was accepted while invisible characters were is found by its repetition: to
// refuse it would say that nothing was stored.
func TestInvisibleCharactersAcceptedBefore(t *testing.T) {
	onBothLedgers(t, func(t *testing.T, b *bank) {
		body := strings.Replace(simple, account, account[:4]+"\u200b"+account[4:], 1)
		key := map[string]string{"Idempotency-Key": "key-1"}
		p := b.status(b.pay(body, key), http.StatusBadRequest).problem(t)
		if len(p.Errors) == 0 || p.Errors[len(p.Errors)-1].Message != "has the character U+200B (zero width space) at position 5, which nobody sees" {
			t.Errorf("%+v", p.Errors)
		}
		digest, _ := api.DecodePayment([]byte(body))
		accepted, _, err := b.ledger.Accept(t.Context(), storage.Payment{
			Caller: "till", IdempotencyKey: "key-1", RequestSHA256: digest, ServiceID: "P1011", Account: account, CreatedAt: storage.At(time.Now()),
		})
		must(t, err)
		if got := b.status(b.pay(body, key), http.StatusAccepted).payment(t); got.ID != accepted.ID.String() {
			t.Errorf("%s, want %s", got.ID, accepted.ID)
		}
		if got := b.batch("rows", http.StatusOK, body); got.Items[0].Status != "refused" {
			t.Errorf("%+v", got.Items)
		}
	})
}
