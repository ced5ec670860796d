package bench

import (
	"context"
	"encoding/json"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"tolem/domain"
	"tolem/partners/processing"
	"tolem/storage"
)

// empty is the least a workflow costs.
func empty(workflow.Context) error { return nil }

// textbook is the same payment as the handbook writes it: four regular
// activities, each with Temporal's own retries.
func textbook(ctx workflow.Context, id domain.AgentTransactionID) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 40 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2},
	})
	var steps *textbookSteps
	for _, step := range []any{steps.CheckAtCentre, steps.RecordChecked, steps.PayAtCentre, steps.RecordPaid} {
		if err := workflow.ExecuteActivity(ctx, step, id).Get(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

// textbookSteps are textbook's activities, over the same ledger and client.
type textbookSteps struct {
	ledger *storage.Ledger
	centre *processing.Client
}

func (s *textbookSteps) bodies(ctx context.Context, id domain.AgentTransactionID) (check, pay []byte, err error) {
	p, err := s.ledger.Payment(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	check, err = processing.CheckRequest{ServiceID: p.ServiceID, Account: p.Account, AgentTransactionID: p.ID,
		AgentTransactionDate: p.AgentTransactionDate, AmountTo: p.AmountTo}.Body()
	if err != nil {
		return nil, nil, err
	}
	pay, err = processing.PayRequest{ServiceID: p.ServiceID, Account: p.Account, AgentTransactionID: p.ID,
		AgentTransactionDate: p.AgentTransactionDate, AmountTo: *p.AmountTo, AmountFrom: *p.AmountTo}.Body()
	return check, pay, err
}

// CheckAtCentre asks whether the payment can be made.
func (s *textbookSteps) CheckAtCentre(ctx context.Context, id domain.AgentTransactionID) error {
	check, _, err := s.bodies(ctx, id)
	if err != nil {
		return err
	}
	_, err = s.centre.Check(ctx, check)
	return err
}

// RecordChecked commits the answer and the intent to pay.
func (s *textbookSteps) RecordChecked(ctx context.Context, id domain.AgentTransactionID) error {
	check, pay, err := s.bodies(ctx, id)
	if err != nil {
		return err
	}
	p, err := s.ledger.Payment(ctx, id)
	if err != nil {
		return err
	}
	answer, err := json.Marshal(processing.Reply{})
	if err != nil {
		return err
	}
	_, _, err = s.ledger.RecordCheck(ctx, storage.CheckRecord{
		Call: s.call(ctx, id, "check", 1, check), Outcome: storage.Outcome{Kind: storage.Answered},
		After: storage.After{State: domain.StatePaying}, Answer: string(answer),
		Pay: &storage.PayIntent{Body: pay, AmountTo: *p.AmountTo, AmountFrom: *p.AmountTo, Step: 2, At: time.Now()},
	})
	return err
}

// PayAtCentre pays.
func (s *textbookSteps) PayAtCentre(ctx context.Context, id domain.AgentTransactionID) error {
	_, pay, err := s.bodies(ctx, id)
	if err != nil {
		return err
	}
	_, err = s.centre.Pay(ctx, pay)
	return err
}

// RecordPaid commits the outcome.
func (s *textbookSteps) RecordPaid(ctx context.Context, id domain.AgentTransactionID) error {
	code := domain.CodeSuccess
	_, err := s.ledger.RecordPay(ctx, s.call(ctx, id, "pay", 2, nil), 0,
		storage.Outcome{Kind: storage.Answered, Code: &code}, storage.After{State: domain.StateSucceeded})
	return err
}

func (s *textbookSteps) call(ctx context.Context, id domain.AgentTransactionID, name string, step int, body []byte) storage.Call {
	return storage.Call{Process: id.WorkflowID(), Name: name, Step: step, Attempt: step, Cause: domain.CauseScheduled,
		Execution: activity.GetInfo(ctx).WorkflowExecution.RunID, At: time.Now(), Body: body}
}
