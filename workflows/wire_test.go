package workflows_test

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/activities"
	"tolem/domain"
	"tolem/workflows"
)

// What is in recorded histories and in other programs must keep its spelling:
// replay does not notice a renamed JSON tag, a changed key or a changed name.
// A line may be added here; none may change.
func TestWire(t *testing.T) {
	code := domain.CodeAgentLacksFunds
	verdict := domain.Verdict{Means: domain.Repeat, OperatorReason: domain.ReasonLateRefusal}
	balance, err := domain.ParseDecimal("509455.9000")
	require.NoError(t, err)
	noon := time.Date(2026, 2, 17, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		value any
		want  string
	}{
		{workflows.PaymentInput{PaymentID: 12, ServiceID: "P1", Ladder: domain.Ladder{Initial: time.Second, FactorMilli: 2000}, PartnerTimeout: time.Second},
			`{"paymentId":"12","serviceId":"P1","ladder":{"initial":1000000000,"factorMilli":2000},"partnerTimeout":1000000000}`},
		{workflows.PaymentResult{State: domain.StateSucceeded, Code: &code, Attempts: 2}, `{"state":"succeeded","code":220,"attempts":2}`},
		{activities.AttemptInput{PaymentID: 12, Step: 3, Cause: domain.CauseScheduled, Waited: 1, Waits: 2, NextWait: 3},
			`{"paymentId":"12","step":3,"cause":"scheduled","waited":1,"waits":2,"nextWait":3}`},
		{activities.AttemptResult{Behind: true, State: domain.StatePaying, Step: 1, Attempts: 2, Waits: 3, PaySent: true, Asks: domain.AsksContract,
			Verdict: verdict, Code: &code, Failure: "timeout", TransactionID: 4, TransactionDate: "d", StatusDate: "s"},
			`{"behind":true,"state":"paying","step":1,"attempts":2,"waits":3,"paySent":true,"asks":"contract",` +
				`"verdict":{"means":"repeat","operatorReason":"late_refusal"},"code":220,"failure":"timeout","transactionId":4,"transactionDate":"d","statusDate":"s"}`},
		{activities.AttemptResult{}, `{"verdict":{"means":""}}`},
		{activities.AttemptInput{PaymentID: 12, First: true, AskOnly: true, PayerDeadline: 4},
			`{"paymentId":"12","step":0,"cause":"","waited":0,"waits":0,"nextWait":0,"first":true,"askOnly":true,"payerDeadline":4}`},
		{activities.EndInput{PaymentID: 12, Step: 3, State: domain.StateExpired, UnlessPaid: true, Code: &code, TransactionID: 4, TransactionDate: "d", StatusDate: "s"},
			`{"paymentId":"12","step":3,"state":"expired","unlessPaid":true,"code":220,"transactionId":4,"transactionDate":"d","statusDate":"s"}`},
		{activities.EndResult{State: domain.StatePaying, Step: 1, Attempts: 2, Waits: 3, PaySent: true, Code: &code},
			`{"state":"paying","step":1,"attempts":2,"waits":3,"paySent":true,"code":220}`},
		{activities.AttemptInput{PaymentID: 12, Step: 3, Cause: domain.CauseScheduled, First: true, Pauses: 4, PayerDeadline: 5},
			`{"paymentId":"12","step":3,"cause":"scheduled","waited":0,"waits":0,"nextWait":0,"first":true,"pauses":4,"payerDeadline":5}`},
		{activities.AttemptResult{NotSent: activities.RefusedByBreaker, RetryAfter: 5, Verdict: domain.Verdict{Means: domain.Repeat}},
			`{"verdict":{"means":"repeat"},"notSent":"breaker","retryAfter":5}`},
		{activities.FollowInput{PaymentID: 12, OrderID: 7, Effect: domain.EffectProposed, Outcome: domain.StateResolvedRefused, Until: noon},
			`{"paymentId":"12","orderId":7,"effect":"proposed","outcome":"resolved_refused","until":"2026-02-17T12:00:00Z"}`},
		{activities.FollowResult{Effect: domain.EffectHeld, State: domain.StatePaying, Standing: activities.Standing{
			Held: true, Proposed: domain.StateResolvedRefused, ProposedBy: 7, ProposedUntil: &noon, Reason: domain.ReasonTooOld, Chosen: true, PayerUntil: &noon}},
			`{"effect":"held","state":"paying","held":true,"proposed":"resolved_refused","proposedBy":7,"proposedUntil":"2026-02-17T12:00:00Z",` +
				`"reason":"too_old","chosen":true,"payerUntil":"2026-02-17T12:00:00Z"}`},
		{activities.FollowResult{}, `{}`},
		{activities.ConfirmInput{PaymentID: 12, Step: 3, OrderID: 7}, `{"paymentId":"12","step":3,"orderId":7}`},
		{activities.ConfirmResult{State: domain.StatePaying, Refusal: domain.RefusalSecondOperator, Effect: domain.EffectProposed, Step: 4},
			`{"state":"paying","refusal":"second_operator_needed","effect":"proposed","step":4}`},
		{activities.LapseInput{PaymentID: 12, OrderID: 7}, `{"paymentId":"12","orderId":7}`},
		{activities.LookUpInput{Process: "payment/12", ActionID: 7, Action: domain.ActionHold}, `{"process":"payment/12","actionId":7,"action":"hold"}`},
		{activities.LookUpResult{Known: true, Outcome: domain.StateResolvedRefused}, `{"known":true,"outcome":"resolved_refused"}`},
		{activities.LookUpResult{Known: true, Outcome: domain.StateResolvedRefused, Evidence: domain.EvidenceRegister},
			`{"known":true,"outcome":"resolved_refused","evidence":"register"}`},
		{activities.LookUpResult{}, `{}`},
		{activities.FollowResult{Unknown: true, State: domain.StatePaying}, `{"state":"paying","unknown":true}`},
		{activities.EndResult{State: domain.StatePaying, Barred: domain.BarredNoEvidence}, `{"state":"paying","step":0,"attempts":0,"waits":0,"barred":"no_evidence"}`},
		{activities.LapseResult{}, `{}`},
		{workflows.ActionInput{OrderID: 7, Outcome: domain.StateResolvedRefused}, `{"orderId":7,"outcome":"resolved_refused"}`},
		{workflows.ActionInput{OrderID: 7, Outcome: domain.StateResolvedRefused, Evidence: domain.EvidenceRegister},
			`{"orderId":7,"outcome":"resolved_refused","evidence":"register"}`},
		{activities.ReadInput{PaymentID: 12}, `{"paymentId":"12"}`},
		{activities.ReadResult{State: domain.StatePaying, Standing: activities.Standing{Held: true, PaymentCode: &code, HeldID: true, ProposedEvidence: domain.EvidenceRegister}},
			`{"state":"paying","held":true,"paymentCode":220,"heldId":true,"proposedEvidence":"register"}`},
		{activities.ReadResult{}, `{"state":""}`},
		{activities.AttemptResult{State: domain.StateChecking, Verdict: domain.Verdict{Means: domain.Repeat, OperatorReason: domain.ReasonNumberExists, Stop: true},
			Standing: activities.Standing{HeldID: true}},
			`{"state":"checking","verdict":{"means":"repeat","operatorReason":"number_exists","stop":true},"heldId":true}`},
		{workflows.ActionResult{Effect: domain.EffectAttempted, Refusal: domain.RefusalInProgress, State: domain.StatePaying},
			`{"effect":"attempted","refusal":"in_progress","state":"paying"}`},
		{workflows.Refused{Refusal: domain.RefusalHeld, State: domain.StatePaying}, `{"refusal":"payment_held","state":"paying"}`},
		{workflows.ChoiceResult{State: domain.StatePaying}, `{"state":"paying"}`},
		{activities.FlagInput{PaymentID: 12, Reason: domain.ReasonCancelledRun}, `{"paymentId":"12","reason":"cancelled_run"}`},
		{activities.SweepInput{OlderThan: time.Minute}, `{"olderThan":60000000000}`},
		{activities.SweepResult{Open: 1, Started: 2, Failed: 3}, `{"open":1,"started":2,"failed":3}`},
		{activities.BalanceInput{}, `{}`},
		{activities.BalanceResult{Balance: &balance, Failure: "timeout", Rose: true, Nudged: 1, Missing: 2, Failed: 3},
			`{"balance":509455.9000,"failure":"timeout","rose":true,"nudged":1,"missing":2,"failed":3}`},
		{activities.BalanceResult{}, `{}`},
		{activities.Nudge{Cause: domain.CauseBalance}, `{"cause":"balance"}`},
		{activities.CatalogueInput{}, `{}`},
		{activities.CatalogueResult{Services: 1, BrokenEntries: 2, BrokenPatterns: 3, Saved: true}, `{"services":1,"brokenEntries":2,"brokenPatterns":3,"saved":true}`},
		{workflows.IntakeInput{BatchID: 5}, `{"batchId":"5","soFar":{"started":0,"failed":0}}`},
		{workflows.IntakeInput{BatchID: 5, After: 12, Again: true, SoFar: workflows.IntakeResult{Started: 1, Failed: 2}},
			`{"batchId":"5","after":"12","again":true,"soFar":{"started":1,"failed":2}}`},
		{workflows.LoanIntakeInput{BatchID: 5, After: 12, SoFar: workflows.IntakeResult{Started: 1, Failed: 2}},
			`{"batchId":"5","after":12,"soFar":{"started":1,"failed":2}}`},
		{activities.LoanPageInput{BatchID: 5, After: 12}, `{"batchId":"5","after":12}`},
		{activities.LoanPageResult{Last: 12, Full: true, Started: 1, Failed: 2}, `{"last":12,"full":true,"started":1,"failed":2}`},
		{workflows.PaymentOrderInput{Contract: "KD/1", PartnerTimeout: 1, Again: workflows.Poll{First: 2, Most: 3}, RaiseAfter: 4},
			`{"contract":"KD/1","partnerTimeout":1,"again":{"first":2,"most":3},"raiseAfter":4}`},
		{workflows.PaymentOrderResult{OrderID: 7, State: domain.PaymentOrderExecuted}, `{"orderId":7,"state":"executed"}`},
		{activities.CollectionInput{Contract: "KD/1", Step: 3, Cause: domain.CauseScheduled, NextWait: 4, Reason: domain.ReasonDossierLate},
			`{"contract":"KD/1","step":3,"cause":"scheduled","nextWait":4,"reason":"dossier_late"}`},
		{activities.CollectionStanding{OrderID: 7, State: domain.PaymentOrderSent, Sent: true, Held: true, Reason: domain.ReasonEventLate, Missing: 1,
			Blocked: 2, Undated: true, Untold: 3, UntoldSince: &noon, Began: noon, Attempts: 4, Failure: "timeout"},
			`{"orderId":7,"state":"sent","sent":true,"held":true,"reason":"event_late","missing":1,"blocked":2,"undated":true,"untold":3,` +
				`"untoldSince":"2026-02-17T12:00:00Z","began":"2026-02-17T12:00:00Z","attempts":4,"failure":"timeout"}`},
		{activities.CollectionStanding{OrderID: 7, State: domain.PaymentOrderExecuted, Sent: true, Reason: domain.ReasonEventLate, Untold: 1, UntoldSince: &noon,
			Raised: []domain.OperatorReason{domain.ReasonLoanChanged, domain.ReasonEventLate}, LateAfterEnd: true, AsideUntil: &noon, SeekAt: &noon, Began: noon},
			`{"orderId":7,"state":"executed","sent":true,"reason":"event_late","untold":1,"untoldSince":"2026-02-17T12:00:00Z",` +
				`"raised":["loan_changed","event_late"],"lateAfterEnd":true,"asideUntil":"2026-02-17T12:00:00Z","seekAt":"2026-02-17T12:00:00Z",` +
				`"began":"2026-02-17T12:00:00Z","attempts":0}`},
		{activities.IntakePageInput{BatchID: 5, After: 12}, `{"batchId":"5","after":"12"}`},
		{activities.IntakePageInput{BatchID: 5}, `{"batchId":"5"}`},
		{activities.IntakePageResult{Last: 12, Full: true, Started: 1, Failed: 2}, `{"last":"12","full":true,"started":1,"failed":2}`},
		{activities.IntakePageResult{}, `{"started":0,"failed":0}`},
	} {
		requireWire(t, c.value, c.want)
	}

	require.Equal(t, "intake/5", domain.BatchID(5).WorkflowID())
	require.Equal(t, "payment/12", domain.AgentTransactionID(12).WorkflowID())
}

// The names that are in histories, in schedules and in other programs: what is registered,
// and what is called, compared with the golden list. A line may be added to it; none may
// change or go while a history can hold it.
func TestWireNames(t *testing.T) {
	var names []string
	add := func(kind string, of ...string) {
		for _, name := range of {
			names = append(names, kind+" "+name)
		}
	}
	add("workflow", slices.Sorted(maps.Keys(workflows.All()))...)
	for _, a := range activities.Registrations(&activities.Processing{}, &activities.Ledger{}, &activities.CFRONT{}, &activities.Collection{},
		&activities.Sweep{}, &activities.Balance{}, &activities.Catalogue{}, &activities.Intake{}, &activities.Loans{}) {
		add("activity", a.Name)
	}
	for _, action := range domain.Actions() {
		add("update", string(action))
	}
	add("update", activities.UpdateChoose, activities.UpdateDecide)
	add("signal", activities.NudgeSignal, activities.SignalMore)
	add("queue", activities.QueueMain, activities.QueueProcessing, activities.QueueCFRONT, activities.QueueABS, activities.QueueLoxon)
	add("schedule", activities.ScheduleSweep, activities.ScheduleBalance, activities.ScheduleCatalogue, activities.ScheduleLedgerMark)
	for _, key := range workflows.SearchAttributes() {
		add("attribute", key.GetName()+" "+key.GetValueType().String())
	}
	golden, err := os.ReadFile("testdata/wire_names.txt")
	require.NoError(t, err)
	require.Equal(t, string(golden), strings.Join(names, "\n")+"\n")
}

// requireWire asserts that a value is written as want, and read back whole.
func requireWire(t *testing.T, value any, want string) {
	t.Helper()
	got, err := json.Marshal(value)
	require.NoError(t, err)
	require.Equal(t, want, string(got))
	back := reflect.New(reflect.TypeOf(value))
	require.NoError(t, json.Unmarshal(got, back.Interface()))
	require.Equal(t, value, back.Elem().Interface())
}
