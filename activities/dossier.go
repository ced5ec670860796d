package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"tolem/domain"
	"tolem/partners/abs"
	"tolem/partners/call"
	"tolem/storage"
)

// GatherDossier asks ABS for every part of the dossier that is missing, all at once, and
// records each answer by itself: what one refuses hinders no other. A part that ABS refuses
// waits for an operator, one that it did not answer is asked for again. It fails only when
// the ledger does.
func (c *Collection) GatherDossier(ctx context.Context, in CollectionInput) (CollectionStanding, error) {
	o, err := c.Ledger.PaymentOrder(ctx, in.Contract)
	if err != nil {
		return CollectionStanding{}, err
	}
	parts, err := c.Ledger.Dossier(ctx, o.ID)
	if err != nil {
		return CollectionStanding{}, err
	}
	day, known := c.contractDay(o)
	if o.SentAt != nil || o.State.Terminal() || o.Held {
		parts = nil
	}
	var all sync.WaitGroup
	failures, errs := make([]failedPart, len(parts)), make([]error, len(parts))
	for i, p := range parts {
		if p.State != domain.PartMissing || dated(p.Part) && !known {
			continue
		}
		all.Go(func() { failures[i], errs[i] = c.gather(ctx, in, o, p.Part, day) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return CollectionStanding{}, err
	}
	failure := failedPart{}
	for _, f := range failures {
		if f.failure != "" {
			failure.failure = f.failure
		}
		failure.retryAfter = max(failure.retryAfter, f.retryAfter)
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordLimit)
	defer cancel()
	if failure.failure != "" && in.NextWait > 0 {
		if err := c.Ledger.NoteNextAttempt(within, o.ID, time.Now().Add(lengthened(in.NextWait, failure.retryAfter))); err != nil {
			return CollectionStanding{}, err
		}
	}
	now, err := c.standing(within, in.Contract, failure.failure)
	now.RetryAfter = failure.retryAfter
	return now, err
}

// failedPart is a question that ABS did not answer; zero when it did.
type failedPart struct {
	failure    string
	retryAfter time.Duration
}

// contractDay is the day that ABS is asked by; false when nobody knows it.
func (c *Collection) contractDay(o storage.PaymentOrder) (time.Time, bool) {
	if day, err := time.Parse(time.DateOnly, o.ContractDate); err == nil {
		return day, true
	}
	return o.CreatedAt.In(c.Zone), c.GuessDate
}

// gather asks for one part and records what came.
func (c *Collection) gather(ctx context.Context, in CollectionInput, o storage.PaymentOrder, part domain.DossierPart, day time.Time) (failed failedPart, err error) {
	made := storage.Call{Process: in.Contract.WorkflowID(), Name: string(part), Step: in.Step, Cause: in.Cause, Execution: execution(ctx), At: time.Now()}
	item := storage.DossierItem{OrderID: o.ID, Part: part, State: domain.PartMissing}
	said, askErr := c.ask(ctx, o, day, &item)
	g := storage.GatheredPart{Contract: in.Contract, Asked: o.Account(), Call: made, Outcome: askedOutcome(askErr, said)}
	g.Outcome.Duration = time.Since(made.At)
	item.UpdatedAt = storage.At(time.Now())
	switch {
	case askErr != nil:
		item = storage.DossierItem{OrderID: o.ID, Part: part, State: domain.PartMissing, UpdatedAt: item.UpdatedAt}
		failed = failedPart{c.unreadable(ctx, &g, &item), g.Outcome.RetryAfter}
	case said.Refused():
		item.State, item.ErrorCode, item.ErrorText = domain.PartRefused, said.ErrorCode, said.ErrorText
		g.Reason = domain.ReasonDossierRefused
	default:
		item.State, item.GotAt = domain.PartGot, &item.UpdatedAt
	}
	g.Item = item
	slog.InfoContext(ctx, "core banking call", "process", made.Process, "part", part, "cause", made.Cause, "outcome", g.Outcome.Kind,
		"failure", g.Outcome.FailureText(), "http_status", g.Outcome.HTTPStatus, "duration", g.Outcome.Duration)
	c.Metrics.attempt(abs.Partner, made.Name, g.Outcome)
	note(ctx, made, g.Outcome)
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordLimit)
	defer cancel()
	return failed, c.Ledger.RecordPart(within, g)
}

// unreadable looks at what ABS did not answer: a person has to look at what fails as it did
// before. A scan waits for that person, because each one is megabytes: at once where it is
// larger than we take, which asking once more cannot change, else when it fails so twice.
func (c *Collection) unreadable(ctx context.Context, g *storage.GatheredPart, item *storage.DossierItem) (failure string) {
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordLimit)
	defer cancel()
	g.Reason = repeatsUnreadable(within, c.Ledger, g.Call, g.Outcome)
	if item.Part == domain.PartScan && g.Outcome.Unreadable && g.Outcome.Failure == call.ReasonTooLarge {
		g.Reason = domain.ReasonUnreadableAnswer
	}
	if item.Part != domain.PartScan || g.Reason == "" {
		return g.Outcome.FailureText()
	}
	item.State, item.ErrorText = domain.PartRefused, "the scan cannot be read: "+g.Outcome.FailureText()
	return ""
}

// ask asks ABS for one part and puts what it says into item.
func (c *Collection) ask(ctx context.Context, o storage.PaymentOrder, day time.Time, item *storage.DossierItem) (abs.Said, error) {
	switch item.Part {
	case domain.PartClient:
		card, err := c.ABS.ClientCard(ctx, o.IINBIN)
		return card.Said, kept(item, card, err)
	case domain.PartAccounts:
		accounts, err := c.ABS.ClientAccounts(ctx, o.IINBIN)
		return accounts.Said, kept(item, accounts.List, err)
	case domain.PartStatement:
		statement, err := c.ABS.StatementOn(ctx, o.IBAN, day)
		if err == nil && !statement.Refused() && len(statement.Lines) == 0 {
			return abs.Said{ErrorCode: http.StatusNotFound, ErrorText: "no line on that day"}, nil
		}
		return statement.Said, kept(item, statement.Lines, err)
	}
	return c.scan(ctx, o, day, item)
}

func kept(item *storage.DossierItem, answer any, err error) error {
	if err != nil {
		return err
	}
	raw, err := json.Marshal(answer)
	item.Answer = string(raw)
	return err
}

// scan fetches the contract's scan into the file store, under its digest.
func (c *Collection) scan(ctx context.Context, o storage.PaymentOrder, day time.Time, item *storage.DossierItem) (abs.Said, error) {
	draft, err := c.Files.Create()
	if err != nil {
		return abs.Said{}, err
	}
	scan, err := c.ABS.ContractScan(ctx, abs.ScanRequest{Contract: string(o.Contract), Day: day, IINBIN: o.IINBIN}, draft)
	if err != nil || !scan.Found {
		draft.Discard()
		return abs.Said{ErrorCode: http.StatusNotFound, ErrorText: "no scan of this contract"}, err
	}
	digest, err := draft.Keep()
	if err != nil {
		return abs.Said{}, fmt.Errorf("keep the scan: %w", err)
	}
	item.Digest, item.MediaType, item.FileName, item.Size = string(digest), scan.MediaType, scan.FileName, scan.Size
	return abs.Said{}, nil
}
