package api_test

import (
	"net/http"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/converter"

	"tolem/storage"
	"tolem/workflows"
)

// An order starts the workflow that Temporal lost; the payment's age counts from
// its payer's choice, not from the time the payer thought.
func TestOrderStartsALostWorkflow(t *testing.T) {
	b := newBank(t)
	id := b.asked(plainReply, func(p *storage.Payment) { p.CreatedAt = storage.At(time.Now().Add(-5 * time.Hour)) })
	b.temporal.act = func() error { return serviceerror.NewNotFound("no such workflow") }
	b.status(b.choose(id, `{}`, nil), http.StatusAccepted)
	b.send(call{method: http.MethodPost, path: "/v1/payments/" + id.String() + "/cancel", body: `{"reason":"-"}`, token: secretOp})
	started := b.temporal.started()
	if len(started) != 1 || started[0].GetWorkflowId() != id.WorkflowID() {
		t.Fatalf("started %v", started)
	}
	var in workflows.PaymentInput
	must(t, converter.GetDefaultDataConverter().FromPayloads(started[0].GetInput(), &in))
	if chosen := b.row(id).ChosenAt; !in.Since.Equal(chosen.Time) {
		t.Errorf("its age counts from %s, chosen at %s", in.Since, chosen)
	}
}
