package activities

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"tolem/domain"
	"tolem/partners/processing"
	"tolem/storage"
)

// CommitChoice commits the intent to pay what the payer chose, before anything is
// sent.
//
// Idempotent on the payment: once a pay may have been sent, or without a recorded
// choice, it changes nothing and returns where the ledger stands. It fails only
// when the ledger does.
func (p *Processing) CommitChoice(ctx context.Context, in AttemptInput) (AttemptResult, error) {
	return p.commit(ctx, in, domain.StateAwaitingPayer, chosenIntent)
}

// CommitIntent commits the intent to pay what check allowed, when the check left
// it open. Idempotent and failing as CommitChoice.
func (p *Processing) CommitIntent(ctx context.Context, in AttemptInput) (AttemptResult, error) {
	return p.commit(ctx, in, domain.StateChecking, intentToPay)
}

// commit takes a payment from a state in which no pay was ever sent to paying,
// with the bytes of every pay, and remembers that the first pay is this process's.
func (p *Processing) commit(ctx context.Context, in AttemptInput, from domain.State,
	build func(storage.Payment, int) (*storage.PayIntent, error),
) (AttemptResult, error) {
	if err := checkStep(in.Step); err != nil {
		return AttemptResult{}, err
	}
	p.firsts.forget(in.PaymentID) // an earlier run of this activity may have left its own
	payment, err := p.Ledger.Payment(ctx, in.PaymentID)
	if err != nil {
		return AttemptResult{}, final(err)
	}
	if !payment.MayIntend(from) || payment.Step >= in.Step {
		return behind(payment), nil
	}
	intent, err := build(payment, in.Step+1)
	if err != nil {
		return AttemptResult{}, fmt.Errorf("build pay of payment %s: %w", payment.ID, err)
	}
	attempt := payment.Attempts + 1
	changed, started, err := p.Ledger.CommitIntent(ctx, payment.ID, storage.IntentRecord{
		From: from, Attempt: attempt, Execution: execution(ctx), Pay: *intent,
	})
	if err != nil {
		return AttemptResult{}, err
	}
	if !changed {
		return p.standing(ctx, payment.ID)
	}
	p.firsts.remember(payment.ID, firstPay{started: started, step: in.Step + 1, attempt: attempt})
	return AttemptResult{State: domain.StatePaying, Step: in.Step, Attempts: payment.Attempts, Waits: payment.Waits, PaySent: true, Code: payment.ResultCode}, nil
}

// chosenIntent builds the bytes of every pay of a payment whose payer chose. Its
// extras are check's and the chosen contract.
func chosenIntent(p storage.Payment, step int) (*storage.PayIntent, error) {
	var choice processing.Choice
	if err := json.Unmarshal([]byte(p.Choice), &choice); err != nil {
		return nil, fmt.Errorf("read the recorded choice: %w", err)
	}
	if choice.AmountTo == nil || choice.AmountFrom == nil {
		return nil, fmt.Errorf("the recorded choice has no amounts")
	}
	extras := maps.Clone(map[string]string(p.Extras))
	if choice.ContractID != "" {
		if extras == nil {
			extras = map[string]string{}
		}
		extras[processing.ExtraContractID] = choice.ContractID
	}
	return payIntent(p, step, *choice.AmountTo, *choice.AmountFrom, extras, choice.ExtraServices)
}

// payIntent builds the bytes of pay.
func payIntent(p storage.Payment, step int, to, from domain.Money, extras map[string]string, lines []processing.PaidService) (*storage.PayIntent, error) {
	body, err := processing.PayRequest{
		ServiceID: p.ServiceID, Account: p.Account, AgentTransactionID: p.ID, AgentTransactionDate: p.AgentTransactionDate,
		AmountTo: to, AmountFrom: from, IdentityCard: p.IdentityCard, FullName: p.FullName, Extras: extras, ExtraServices: lines,
	}.Body()
	if err != nil {
		return nil, err
	}
	return &storage.PayIntent{Body: body, AmountTo: to, AmountFrom: from, Step: step, At: time.Now()}, nil
}
