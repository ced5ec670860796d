package api_test

import (
	"database/sql"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"tolem/api"
	"tolem/storage"
)

// gatedBank is an API whose ledger is guarded, and what sets the gate.
func gatedBank(t *testing.T) (b *bank, set func(gate string)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger.db")
	ledger := newLedger(t, "sqlite://"+path)
	must(t, ledger.Guard(t.Context(), 0))
	b = newBank(t, func(o *api.Options) { o.Ledger = ledger })
	file, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)")
	must(t, err)
	t.Cleanup(func() { _ = file.Close() })
	return b, func(gate string) {
		_, err := file.ExecContext(t.Context(), "UPDATE ledger_state SET gate = ?", gate)
		must(t, err)
		_ = ledger.Look(t.Context()) // its error says that the gate is closed
	}
}

// On every route of the contract a closed gate stops whatever asks for a token, and while
// people reconcile whatever only callers may send: all that creates a row.
func TestEveryRouteKeepsToTheGate(t *testing.T) {
	b, set := gatedBank(t)
	promised := promisedRoles(t)
	token := map[string]string{"agent": secretAgent, "store": secretStore, "k2": secretK2, "viewer": secretViewer, "operator": secretOp}
	for _, gate := range []string{"open", "closed", "reconciling"} {
		set(gate)
		created := 0
		for _, r := range b.server.Handler().(*echo.Echo).Routes() {
			path := parameter.ReplaceAllString(r.Path, "{$1}")
			needed := promised[strings.Replace(r.Method, http.MethodHead, http.MethodGet, 1)+" "+path]
			if needed == nil {
				continue
			}
			fromCaller := r.Method == http.MethodPost && !slices.Contains(needed, "operator")
			a := b.send(call{method: r.Method, path: parameter.ReplaceAllString(r.Path, "nothing"), body: "{}", token: token[needed[0]]})
			want := gate == "closed" || gate == "reconciling" && fromCaller
			said := a.StatusCode == http.StatusServiceUnavailable
			if r.Method != http.MethodHead {
				said = said && (strings.Contains(string(a.body), `"ledger_re`) || strings.Contains(string(a.body), `"error_code":6`))
			}
			if gate == "reconciling" && !fromCaller { // of an id that the ledger does not have
				continue
			}
			if said != want {
				t.Errorf("%s: %s %s: %d %s", gate, r.Method, path, a.StatusCode, a.body)
			}
			if fromCaller {
				created++
			}
		}
		if created < 9 {
			t.Errorf("%s: %d routes of callers only", gate, created)
		}
	}
}

// A row that exists is shown while people reconcile; one that may be lost is not denied.
func TestWhileReconcilingNoIDIsDenied(t *testing.T) {
	b, set := gatedBank(t)
	id := b.asked(plainReply, nil)
	set("reconciling")
	b.status(b.get(secretAgent, "/v1/payments/"+id.String()), http.StatusOK)
	for _, path := range []string{"/v1/payments/176000000000000000", "/v1/orders/unknown", "/v1/payment-orders/unknown"} {
		if a := b.status(b.get(secretOp, path), http.StatusServiceUnavailable); !strings.Contains(string(a.body), `"ledger_reconciling"`) {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	b.status(b.get(secretOp, "/v1/incidents/1"), http.StatusNotFound)
	b.status(b.get("", "/readyz"), http.StatusOK)
	set("closed")
	if a := b.get("", "/readyz"); a.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(a.body), "restored") || !strings.Contains(string(a.body), "after-restore") {
		t.Errorf("/readyz: %d %s", a.StatusCode, a.body)
	}
	set("open")
	b.status(b.get(secretOp, "/v1/payments/176000000000000000"), http.StatusNotFound)
	if _, err := b.ledger.Payment(t.Context(), id); err != nil {
		t.Error(err)
	}
}

// A payment that a restored ledger holds is released by two people: the first one's word is
// 202, his own second one 409, and the second person's 200, with the workflow woken.
func TestReleaseOfARestoredPayment(t *testing.T) {
	b := newBank(t)
	id := b.asked(plainReply, nil)
	_, err := b.ledger.HoldRestored(t.Context(), storage.Window{From: time.Now().Add(-time.Hour), To: time.Now()}, 0, false)
	must(t, err)
	path := "/v1/payments/" + id.String() + "/release"
	release := func(token, key string, want int, says string) {
		t.Helper()
		a := b.status(b.send(call{method: http.MethodPost, path: path, body: `{"reason":"the register has it"}`, token: token, header: map[string]string{"Idempotency-Key": key}}), want)
		if !strings.Contains(string(a.body), says) {
			t.Errorf("%s: %s", key, a.body)
		}
	}
	release(secretOp, "first", http.StatusAccepted, `"proposed"`)
	release(secretOp, "first", http.StatusAccepted, `"proposed"`)
	release(secretOp, "again", http.StatusConflict, `"second_operator_needed"`)
	a := b.send(call{method: http.MethodPost, path: path, body: `{"reason":"r","evidenceKind":"register","registerSha256":"` + strings.Repeat("0", 64) + `"}`, token: secretBoth})
	if b.status(a, http.StatusConflict); !strings.Contains(string(a.body), `"no_register"`) {
		t.Errorf("%s", a.body)
	}
	release(secretBoth, "second", http.StatusOK, `"released"`)
	p, err := b.ledger.Payment(t.Context(), id)
	must(t, err)
	if p.Restored || p.Held || p.RestoredEpoch != 1 {
		t.Errorf("restored %v, held %v, epoch %d", p.Restored, p.Held, p.RestoredEpoch)
	}
}
