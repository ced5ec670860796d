package workflows_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/activities"
	"tolem/domain"
	centre "tolem/simulators/processing"
	"tolem/storage"
)

// restores holds everything that is open, as after-restore does.
func (b *bank) restores() {
	b.t.Helper()
	_, err := b.ledger.HoldRestored(b.t.Context(), storage.Window{From: time.Now().Add(-time.Hour), To: time.Now()}, 0, false)
	require.NoError(b.t, err)
}

// restoresDuring holds everything that is open while the first request of a call is under way:
// the centre has not seen it yet.
func (b *bank) restoresDuring(call string) {
	b.t.Helper()
	held := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !held && strings.Contains(strings.ToLower(r.URL.String()), call) {
			held = true
			b.restores()
		}
		b.centre.Handler().ServeHTTP(w, r)
	}))
	b.t.Cleanup(server.Close)
	b.url = server.URL
}

// released lays down that two people release the payment at a moment of the skipped time, as the
// API does: in the ledger, and then the workflow is woken.
func (e *execution) released(after time.Duration) {
	e.b.t.Helper()
	e.RegisterDelayedCallback(func() {
		for _, who := range []string{"aigul", "marat"} {
			_, _, _, err := e.b.ledger.ReleasePayment(e.b.t.Context(), e.id, storage.Action{Process: e.id.WorkflowID(), Action: domain.ActionRelease,
				Caller: who, IdempotencyKey: "release-" + who, RequestSHA256: "-", Reason: "the register has it not", RequestedAt: storage.At(e.Now())})
			require.NoError(e.b.t, err)
		}
		e.SignalWorkflow(activities.NudgeSignal, activities.Nudge{Cause: domain.CauseOperator})
	}, after)
}

// A payment that a restore holds is sent nothing, whatever it waited for, and however long it
// takes. Released by two people it goes on, and 202 to the first pay that the ledger knows of
// refuses nothing: another one may be lost.
func TestRestoredPaymentWaitsForItsRelease(t *testing.T) {
	for name, c := range map[string]struct {
		call     string
		attempts int
		state    domain.State
	}{
		"checking": {"check", 1, domain.StateChecking},
		"paying":   {"pay", 2, domain.StatePaying},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t)
			b.scripted(c.call, code(1))
			id := b.accepted(nil)
			b.attemptsOfALostRun(id, c.attempts)
			require.Equal(t, c.state, b.payment(id).State)
			b.restores()
			b.scripted("pay", once(domain.CodeBadRequest))

			run := b.execution(id)
			run.RegisterDelayedCallback(func() {
				require.Len(t, b.centre.Requests(int64(id)), c.attempts, "nothing is sent")
				p := b.payment(id)
				require.Equal(t, c.state, p.State)
				require.True(t, p.Restored)
				require.Equal(t, domain.ReasonRestored, p.OperatorReason)
			}, 240*time.Hour)
			cancel := run.orders(240*time.Hour, "aigul", domain.ActionCancel, "")
			run.released(241 * time.Hour)
			p := run.finish()
			cancel.refusal(t, map[string]domain.Refusal{"check": domain.RefusalHeld, "pay": domain.RefusalPaySent}[c.call])
			require.Equal(t, domain.StateSucceeded, p.State)
			require.Len(t, b.requests(id, "pay"), c.attempts+1, "202 was followed by another")
			b.moved(id, 1)
			b.sameBytes(id, "pay")
		})
	}
}

// An answer that comes while a restore holds the payment ends nothing; where the money is
// afterwards is for the centre to say, to a pay after the release.
func TestLateAnswerToARestoredPayment(t *testing.T) {
	for name, c := range map[string]struct {
		late  centre.Answer
		want  domain.State
		moved int
	}{
		"0":   {centre.Answer{}, domain.StateSucceeded, 1},
		"300": {code(domain.CodeOtherError), domain.StateRefused, 0},
		"215": {once(domain.CodeNumberExists), domain.StateSucceeded, 1},
		"202": {once(domain.CodeBadRequest), domain.StateSucceeded, 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t)
			if name != "0" {
				b.scripted("pay", c.late)
			}
			b.restoresDuring("pay")
			id := b.accepted(nil)
			run := b.execution(id)
			run.RegisterDelayedCallback(func() {
				p := b.payment(id)
				require.Equal(t, domain.StatePaying, p.State)
				require.True(t, p.Restored)
				require.Len(t, b.requests(id, "pay"), 1)
			}, 240*time.Hour)
			run.released(240*time.Hour + time.Minute)
			if name == "215" { // the centre holds the id since before the first pay: only a retry sends
				run.RegisterDelayedCallback(func() { require.Len(t, b.requests(id, "pay"), 1) }, 300*time.Hour)
				run.orders(300*time.Hour, "aigul", domain.ActionRetry, "")
			}
			p := run.finish()
			require.Equal(t, c.want, p.State)
			require.Greater(t, len(b.requests(id, "pay")), 1)
			require.Empty(t, b.openReasons(id))
			b.moved(id, c.moved)
		})
	}
}

// A restored ledger may have forgotten a payment that was paid. Two people resolve it while
// restored, also before any pay that the ledger knows of, and nothing is sent.
func TestRestoredPaymentIsResolvedInChecking(t *testing.T) {
	b := newBank(t)
	id := b.accepted(nil)
	require.Equal(t, domain.StateSucceeded, b.execution(id).finish().State)
	b.forgets(id)
	b.sql("UPDATE payments SET state = 'checking'")
	sent := len(b.centre.Requests(int64(id)))
	b.restores()
	run := b.execution(id)
	first := run.orders(30*time.Hour, "aigul", domain.ActionResolve, domain.StateResolvedSucceeded)
	second := run.orders(31*time.Hour, "marat", domain.ActionResolve, domain.StateResolvedSucceeded)
	p := run.finish()
	first.effect(t, domain.EffectProposed)
	second.effect(t, domain.EffectResolved)
	require.Equal(t, domain.StateResolvedSucceeded, p.State)
	require.Len(t, b.centre.Requests(int64(id)), sent, "nothing was sent")
	require.Empty(t, b.openReasons(id))
	b.moved(id, 1)
}
