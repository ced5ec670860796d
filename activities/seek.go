package activities

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.temporal.io/sdk/activity"

	"tolem/domain"
	"tolem/partners/loxon"
	"tolem/storage"
)

// callSeek is the journal's name of reading Loxon's topic for some events.
const callSeek = "seek"

// SeekBeat is how often SeekEvents says that it lives; its heartbeat time-out is longer.
const SeekBeat = 10 * time.Second

// SeekEvents reads Loxon's topic to its end for the events of the contract that people want
// to set aside and that an earlier attempt may have published, and records which are there. It
// writes nothing to the topic and may run twice; a topic that cannot be read now is a Failure,
// and it fails only when the ledger does.
func (c *Collection) SeekEvents(ctx context.Context, in CollectionInput) (CollectionStanding, error) {
	sought, err := c.Ledger.SoughtEvents(ctx, in.Contract)
	if err != nil {
		return CollectionStanding{}, err
	}
	now := time.Now()
	due := sought[:0]
	for _, s := range sought {
		if !s.At.After(now) {
			due = append(due, s)
		}
	}
	if len(due) == 0 {
		return c.standing(ctx, in.Contract, "")
	}
	made := storage.Call{Process: in.Contract.WorkflowID(), Name: callSeek, Step: in.Step, Cause: in.Cause, Execution: execution(ctx), At: now}
	search := storage.TopicSearch{Contract: in.Contract, Call: made, Sought: due}
	search.Found, err = c.seek(ctx, in.Contract, due)
	search.Read = err == nil
	search.Outcome = storage.Outcome{Kind: storage.Answered, Duration: time.Since(now)}
	if err != nil {
		search.Outcome.Kind, search.Outcome.Failure = string(domain.Unavailable), seekFailure(err)
	}
	slog.InfoContext(ctx, "topic read for events to set aside", "process", made.Process, "sought", len(due), "found", len(search.Found), "failure", search.Outcome.Failure)
	c.Metrics.attempt(loxon.Partner, made.Name, search.Outcome)
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordLimit)
	defer cancel()
	if err := c.Ledger.RecordTopicSearch(within, search); err != nil {
		return CollectionStanding{}, final(err)
	}
	return c.standing(within, in.Contract, search.Outcome.Failure)
}

// seek reads the topic and says where it holds which events.
func (c *Collection) seek(ctx context.Context, contract domain.ContractNumber, sought []storage.SoughtEvent) (map[int64]storage.Place, error) {
	names, found := map[string]int64{}, map[int64]storage.Place{}
	for _, s := range sought {
		names[eventID(contract, s.Seq)] = s.Event
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go beat(ctx)
	_, err := c.Loxon.Read(ctx, func(r loxon.Record) error {
		if event, ours := names[r.EventID]; ours && r.Key == string(contract) {
			if _, before := found[event]; !before {
				found[event] = storage.Place{Topic: c.Topic, Partition: r.Partition, Offset: r.Offset}
			}
		}
		return nil
	})
	return found, err
}

// beat says until ctx ends that the activity lives.
func beat(ctx context.Context) {
	ticker := time.NewTicker(SeekBeat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			activity.RecordHeartbeat(ctx)
		}
	}
}

// seekFailure is why the topic was not read, in a stable word.
func seekFailure(err error) string {
	var failed *loxon.Failure
	if errors.As(err, &failed) {
		return failed.Reason
	}
	return "topic_unreadable"
}
