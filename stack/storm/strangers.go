package storm

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"tolem/activities"
	"tolem/domain"
	"tolem/workflows"
)

// strangers are people who reach Temporal and nothing else: they send running processes
// whatever Temporal lets them send, and end runs. None of it may move anything: the ledger
// believes in its own rows alone, and the sweep starts what was ended.
type strangers struct {
	temporal client.Client
	chance   *rand.Rand
}

// strange is what a stranger sends to a process.
var strange = []string{`{}`, `null`, `"text"`, `{"orderId":999999}`, `{"orderId":1}`, `{"orderId":1,"outcome":"resolved_succeeded"}`, `{"cause":"operator"}`}

const (
	// victims is how many processes of a type one stranger bothers.
	victims = 20
	// botherLimit bounds one message: a worker that was just killed answers none.
	botherLimit = 3 * time.Second
)

func meetStrangers(d *deployed, chance *rand.Rand) (*strangers, error) {
	config, err := d.Config()
	if err != nil {
		return nil, err
	}
	o := config.Temporal
	o.Logger = log.NewStructuredLogger(slog.New(slog.DiscardHandler)) // refusals are what is wanted
	temporal, err := client.NewLazyClient(o)
	if err != nil {
		return nil, fmt.Errorf("prepare a stranger's client: %w", err)
	}
	return &strangers{temporal: temporal, chance: chance}, nil
}

// come sends strange things to some running processes of every type. What Temporal or a
// workflow refuses is no error: that it is refused is the point.
func (s *strangers) come(ctx context.Context) error {
	for _, name := range workflows.ProcessTypes() {
		page, err := s.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			PageSize: victims, Query: fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = 'Running'", name),
		})
		if err != nil { // Temporal may be down just now
			return ctx.Err()
		}
		for _, run := range page.GetExecutions() {
			s.bother(ctx, run.GetExecution().GetWorkflowId())
		}
	}
	return ctx.Err()
}

// bother sends one process something, or ends its run.
func (s *strangers) bother(ctx context.Context, process string) {
	input := json.RawMessage(strange[s.chance.IntN(len(strange))])
	ctx, cancel := context.WithTimeout(ctx, botherLimit)
	defer cancel()
	switch s.chance.IntN(8) {
	case 0:
		_ = s.temporal.TerminateWorkflow(ctx, process, "", "a stranger") // the sweep starts it again
	case 1, 2:
		_ = s.temporal.SignalWorkflow(ctx, process, "", activities.NudgeSignal, input) // as above
	default:
		actions := domain.Actions()
		_, _ = s.temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{ // as above
			WorkflowID: process, UpdateName: string(actions[s.chance.IntN(len(actions))]), Args: []any{input},
			WaitForStage: client.WorkflowUpdateStageAccepted,
		})
	}
}

func (s *strangers) leave() { s.temporal.Close() }
