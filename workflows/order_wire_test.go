package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/activities"
	"tolem/domain"
	"tolem/workflows"
)

// The same as TestWire, of instalment orders.
func TestOrderWire(t *testing.T) {
	noon := time.Date(2026, 2, 17, 12, 0, 0, 0, time.UTC)
	ladder := domain.Ladder{Initial: time.Second, FactorMilli: 2000}
	standing := activities.OrderStanding{
		State: domain.OrderFailed, FailReason: "CLIENT_PUSH_TIMEOUT", Step: 3, Attempts: 2, Waits: 1, Held: true,
		Reason: domain.ReasonDecisionOpen, Decision: domain.DecisionConfirm, Bank: domain.BankState{State: "FAIL", SubState: "CLIENT_PUSH_TIMEOUT"},
		Meaning: domain.BankFailed, Contract: true, Validated: true, CreateSentAt: &noon, DecisionSentAt: &noon, ActiveAt: &noon,
	}
	const standingText = `"state":"failed","failReason":"CLIENT_PUSH_TIMEOUT","step":3,"attempts":2,"waits":1,"held":true,` +
		`"reason":"decision_open","decision":"confirm","bank":{"state":"FAIL","subState":"CLIENT_PUSH_TIMEOUT"},"meaning":"failed","contract":true,"validated":true,` +
		`"createSentAt":"2026-02-17T12:00:00Z","decisionSentAt":"2026-02-17T12:00:00Z","activeAt":"2026-02-17T12:00:00Z"`
	for _, c := range []struct {
		value any
		want  string
	}{
		{workflows.OrderInput{
			OrderID: "17/1", Ladder: ladder, PartnerTimeout: 3, Poll: workflows.Poll{First: 1, Most: 2}, PayoutPoll: workflows.Poll{First: 4, Most: 5},
			ValidateClient: true, AutoConfirm: true, RaiseAfter: 6, PayoutRaiseAfter: 7,
		}, `{"orderId":"17/1","ladder":{"initial":1000000000,"factorMilli":2000},"partnerTimeout":3,"poll":{"first":1,"most":2},` +
			`"payoutPoll":{"first":4,"most":5},"validateClient":true,"autoConfirm":true,"raiseAfter":6,"payoutRaiseAfter":7}`},
		{workflows.OrderResult{State: domain.OrderFailed, FailReason: "FAIL", Bank: domain.BankState{State: "FAIL", SubState: "FAIL"}},
			`{"state":"failed","failReason":"FAIL","bank":{"state":"FAIL","subState":"FAIL"}}`},
		{workflows.OrderResult{State: domain.OrderPaidOut}, `{"state":"paid_out"}`},
		{workflows.DecideResult{State: domain.OrderConfirming}, `{"state":"confirming"}`},
		{workflows.OrderActionResult{Effect: domain.EffectHeld, Refusal: domain.RefusalOrderHeld, State: domain.OrderCreating},
			`{"effect":"held","refusal":"order_held","state":"creating"}`},
		{workflows.ReturnInput{OrderID: "17", ReturnID: "r1", Ladder: ladder, PartnerTimeout: 3, RaiseAfter: 4},
			`{"orderId":"17","returnId":"r1","ladder":{"initial":1000000000,"factorMilli":2000},"partnerTimeout":3,"raiseAfter":4}`},
		{workflows.ReturnResult{State: domain.ReturnReturned, Attempts: 2}, `{"state":"returned","attempts":2}`},
		{standing, `{` + standingText + `}`},
		{activities.OrderStanding{State: domain.OrderAccepted}, `{"state":"accepted","step":0}`},
		{activities.OrderCallInput{OrderID: "17", Step: 3, Cause: domain.CauseNews, Waited: 1, Waits: 2, NextWait: 4, Decision: domain.DecisionReject},
			`{"orderId":"17","step":3,"cause":"news","waited":1,"waits":2,"nextWait":4,"decision":"reject"}`},
		{activities.OrderCallResult{OrderStanding: standing, Behind: true, Failure: "timeout"}, `{` + standingText + `,"behind":true,"failure":"timeout"}`},
		{activities.EndOrderInput{OrderID: "17", Step: 3, FailReason: domain.FailRejectedByStore}, `{"orderId":"17","step":3,"failReason":"rejected_by_store"}`},
		{activities.FlagOrderInput{OrderID: "17", Reason: domain.ReasonCreateUnknown}, `{"orderId":"17","reason":"create_unknown"}`},
		{activities.FollowOrderInput{OrderID: "17", ActionID: 7, Effect: domain.EffectHeld}, `{"orderId":"17","actionId":7,"effect":"held"}`},
		{activities.FollowOrderResult{Effect: domain.EffectHeld, OrderStanding: standing}, `{"effect":"held",` + standingText + `}`},
		{activities.AutoConfirmInput{OrderID: "17"}, `{"orderId":"17"}`},
		{activities.ReturnCallInput{OrderID: "17", ReturnID: "r1", Step: 3, Cause: domain.CauseScheduled, Waited: 1, Waits: 2, NextWait: 4},
			`{"orderId":"17","returnId":"r1","step":3,"cause":"scheduled","waited":1,"waits":2,"nextWait":4}`},
		{activities.ReturnCallResult{State: domain.ReturnReturning, Step: 3, Attempts: 2, Waits: 1, Reason: domain.ReasonReturnUnknown, Sent: true, Behind: true, Failure: "timeout"},
			`{"state":"returning","step":3,"attempts":2,"waits":1,"reason":"return_unknown","sent":true,"behind":true,"failure":"timeout"}`},
		{activities.ReturnCallResult{State: domain.ReturnReturning, Held: true}, `{"state":"returning","step":0,"held":true}`},
		{activities.FlagReturnInput{OrderID: "17", ReturnID: "r1", Reason: domain.ReasonReturnUnknown}, `{"orderId":"17","returnId":"r1","reason":"return_unknown"}`},
		{activities.MoveInput{OrderID: "17"}, `{"orderId":"17"}`},
		{activities.MoveResult{Bank: domain.BankState{State: "SUCCESS", SubState: "DONE"}, Moved: true}, `{"bank":{"state":"SUCCESS","subState":"DONE"},"moved":true}`},
		{activities.Nudge{Cause: domain.CauseNews}, `{"cause":"news"}`},
	} {
		requireWire(t, c.value, c.want)
	}
	require.Equal(t, []string{"order/%D1%87%D0%B5%D0%BA 1", "return/%D1%87%D0%B5%D0%BA 1/%D0%B2-1", "order-move/17%2F1"}, []string{
		domain.StoreOrderID("чек 1").WorkflowID(), domain.StoreOrderID("чек 1").ReturnWorkflowID("в-1"), domain.StoreOrderID("17/1").MoveWorkflowID()})
}
