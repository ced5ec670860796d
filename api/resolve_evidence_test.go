package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tolem/domain"
)

// cites is a resolve as refused that cites evidence.
func cites(kind, sha string) string {
	more := `,"evidenceKind":"` + kind + `"`
	if sha != "" {
		more += `,"registerSha256":"` + sha + `"`
	}
	return strings.TrimSuffix(resolved, "}") + more + "}"
}

// reviewed is a flagged payment whose centre said 153 and then spoke of the last request
// only, of a day that is over.
func (b *bank) reviewed(path string) domain.AgentTransactionID {
	b.t.Helper()
	id := b.flagged()
	inLedger(b.t, path, fmt.Sprintf("UPDATE payments SET result_code = 215, payment_code = 153, agent_transaction_date = '%sT10:00:00' WHERE id = %d", someDay, id))
	return id
}

// A register of the closed day that does not contain the payment outweighs the centre's
// temporary code, when both people cite it. Its digest is kept with their actions.
func TestResolveAgainstTheCentresWord(t *testing.T) {
	b, path := dayBank(t, 0)
	id := b.reviewed(path)
	b.temporal.acting(b.follows)
	var compared struct{ RegisterSHA256 string }
	b.status(b.compare(dayPath, "agentTransactionId,amountTo,state\n7,1.00,0\n", nil), http.StatusOK).decode(t, &compared)
	with := cites("register", compared.RegisterSHA256)

	b.status(b.act(id, domain.ActionResolve, with, "first"), http.StatusAccepted)
	if p := b.status(b.actBy(secretBoth, id, domain.ActionResolve, resolved, "second"), http.StatusConflict).problem(t); p.Code != "in_progress" {
		t.Errorf("only one of them cites it: %+v", p)
	}
	o := b.status(b.actBy(secretBoth, id, domain.ActionResolve, cites("centre_cancelled", ""), "third"), http.StatusOK).acted(t)
	if o.State != "resolved_refused" {
		t.Errorf("%+v", o)
	}
	rows := b.actions(id)
	if rows[0].RegisterSHA256 != compared.RegisterSHA256 || rows[0].EvidenceKind != domain.EvidenceRegister || rows[2].EvidenceKind != domain.EvidenceCentreCancelled {
		t.Errorf("%+v", rows)
	}
	var listed struct {
		Items []struct{ EvidenceKind, RegisterSHA256 string }
	}
	b.get(secretViewer, "/v1/payments/"+id.String()+"/actions").decode(t, &listed)
	if listed.Items[0].EvidenceKind != "register" || listed.Items[0].RegisterSHA256 != compared.RegisterSHA256 {
		t.Errorf("%+v", listed)
	}
}

// The digest is no longer than what the ledger has for it: another day's register, one of
// a day that is not over, one that contains the payment, or none at all is no evidence,
// and nothing is stored.
func TestRegisterThatIsNoEvidence(t *testing.T) {
	b, path := dayBank(t, 0)
	id := b.reviewed(path)
	b.temporal.acting(b.follows)
	sha := func(path, register string) string {
		var c struct{ RegisterSHA256 string }
		b.status(b.compare(path, register, nil), http.StatusOK).decode(t, &c)
		return c.RegisterSHA256
	}
	const header = "agentTransactionId,amountTo,state\n"
	today, almaty := b.flagged(), time.FixedZone("", 5*60*60)
	inLedger(t, path, fmt.Sprintf("UPDATE payments SET agent_transaction_date = '%sT00:00:00' WHERE id = %d", time.Now().In(almaty).Format(time.DateOnly), today))
	for name, c := range map[string]struct {
		id  domain.AgentTransactionID
		sha string
	}{
		"never compared":  {id, strings.Repeat("0", 64)},
		"another day":     {id, sha("/v1/reconciliation?date=2026-01-30", header+"8,1.00,0\n")},
		"contains it":     {id, sha(dayPath, header+id.String()+",200.00,153\n")},
		"day is not over": {today, sha("/v1/reconciliation?date="+b.dayOf(today), header+"9,1.00,0\n")},
	} {
		p := b.status(b.act(c.id, domain.ActionResolve, cites("register", c.sha), ""), http.StatusConflict).problem(t)
		if p.Code != "no_register" {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if len(b.actions(id))+len(b.actions(today)) != 0 {
		t.Error("a refused resolve was kept")
	}
}

// dayOf is the day of a payment's agentTransactionDate.
func (b *bank) dayOf(id domain.AgentTransactionID) string {
	b.t.Helper()
	p, err := b.ledger.Payment(b.t.Context(), id)
	must(b.t, err)
	return p.AgentTransactionDate[:10]
}
