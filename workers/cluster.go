package workers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	namespacepb "go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"

	"tolem/workflows"
)

// Retention is how long a cluster keeps closed workflows, at least: a long weekend in which
// nobody looks. The ledger remembers for longer; people read histories in the Temporal UI.
const Retention = 72 * time.Hour

// knownLimit bounds the wait until a running server has heard of what was just added; its
// caches are read anew every few seconds.
const knownLimit = time.Minute

// knownEvery is the pause between two looks whether it has.
const knownEvery = 200 * time.Millisecond

// Cluster is what Tolem needs of a Temporal cluster: a namespace, the search attributes and
// the schedules.
type Cluster struct {
	Temporal  client.Client
	Namespace string
	// SweepOlderThan is how long a payment may be without a workflow before the sweep
	// starts it; 0 is a minute.
	SweepOlderThan time.Duration
}

// Done is what Apply did to one thing.
type Done struct{ What, Name, Did string }

// String is the line for a person.
func (d Done) String() string { return d.What + " " + d.Name + ": " + d.Did }

// unchanged is what Apply did where nothing was to do.
const unchanged = "unchanged"

// Apply makes what is missing and returns what it did to each thing, in order. When it
// returns without an error, the namespace, all search attributes and all schedules exist and
// the frontend that was asked knows them; doing it again changes nothing.
//
// A namespace that keeps closed workflows for less than Retention is raised to it, for
// longer it is left. A schedule whose definition differs is brought to ours; one that
// somebody paused stays paused. It fails, having changed nothing of them, if a search
// attribute exists with another type.
func (c Cluster) Apply(ctx context.Context) ([]Done, error) {
	var done []Done
	for _, apply := range []func(context.Context) ([]Done, error){c.applyNamespace, c.applyAttributes, c.applySchedules} {
		d, err := apply(ctx)
		done = append(done, d...)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

func (c Cluster) applyNamespace(ctx context.Context) ([]Done, error) {
	done := func(did string) []Done { return []Done{{"namespace", c.Namespace, did}} }
	found, err := c.namespace(ctx)
	if err != nil {
		return nil, fmt.Errorf("describe namespace %s: %w", c.Namespace, err)
	}
	if found == nil {
		_, err := c.Temporal.WorkflowService().RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
			Namespace: c.Namespace, Description: "Tolem's processes", WorkflowExecutionRetentionPeriod: durationpb.New(Retention),
		})
		if was := new(serviceerror.NamespaceAlreadyExists); err != nil && !errors.As(err, &was) {
			return nil, fmt.Errorf("register namespace %s (where clients may not, its administrator does): %w", c.Namespace, err)
		}
		created := done(fmt.Sprintf("created, closed workflows are kept for %s", Retention))
		return created, c.await(ctx, knownLimit, "the new namespace "+c.Namespace, func(ctx context.Context) error {
			_, _, err := c.attributes(ctx)
			return err
		})
	}
	kept := found.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration()
	if kept >= Retention {
		return done(unchanged), nil
	}
	_, err = c.Temporal.WorkflowService().UpdateNamespace(ctx, &workflowservice.UpdateNamespaceRequest{
		Namespace: c.Namespace, Config: &namespacepb.NamespaceConfig{WorkflowExecutionRetentionTtl: durationpb.New(Retention)},
	})
	if err != nil {
		return nil, fmt.Errorf("raise the retention of namespace %s from %s to %s: %w", c.Namespace, kept, Retention, err)
	}
	return done(fmt.Sprintf("closed workflows are kept for %s, no longer %s", Retention, kept)), nil
}

// namespace is nil where it does not exist.
func (c Cluster) namespace(ctx context.Context) (*workflowservice.DescribeNamespaceResponse, error) {
	found, err := c.Temporal.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: c.Namespace})
	if missing := new(serviceerror.NamespaceNotFound); errors.As(err, &missing) {
		return nil, nil
	}
	return found, err
}

// noNamespace is what is said where it does not exist.
func (c Cluster) noNamespace() string {
	return fmt.Sprintf("namespace %s does not exist: run tolem setup", c.Namespace)
}

// attributes compares the namespace's search attributes with ours: those that are missing,
// and in words those whose type is another.
func (c Cluster) attributes(ctx context.Context) (missing map[string]enumspb.IndexedValueType, clashes []string, err error) {
	known, err := c.Temporal.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: c.Namespace})
	if err != nil {
		return nil, nil, fmt.Errorf("list search attributes of namespace %s: %w", c.Namespace, err)
	}
	missing = map[string]enumspb.IndexedValueType{}
	for _, key := range workflows.SearchAttributes() {
		found, ok := known.GetCustomAttributes()[key.GetName()]
		switch {
		case !ok:
			missing[key.GetName()] = key.GetValueType()
		case found != key.GetValueType():
			clashes = append(clashes, fmt.Sprintf("search attribute %s is %s in namespace %s, not %s", key.GetName(), found, c.Namespace, key.GetValueType()))
		}
	}
	return missing, clashes, nil
}

// clashAdvice is what can be done about a search attribute of another type: its column stays
// with its values, so nothing of that is done by a program.
const clashAdvice = "rename or remove it there, or use another TEMPORAL_NAMESPACE"

func (c Cluster) applyAttributes(ctx context.Context) ([]Done, error) {
	missing, clashes, err := c.attributes(ctx)
	if err != nil {
		return nil, err
	}
	if len(clashes) > 0 {
		return nil, fmt.Errorf("%s: %s", strings.Join(clashes, "; "), clashAdvice)
	}
	if len(missing) > 0 {
		_, err = c.Temporal.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: c.Namespace, SearchAttributes: missing})
		if was := new(serviceerror.AlreadyExists); err != nil && !errors.As(err, &was) {
			return nil, fmt.Errorf("add search attributes to namespace %s: %w", c.Namespace, err)
		}
		if err := c.awaitAttributes(ctx); err != nil {
			return nil, err
		}
	}
	var done []Done
	for _, key := range workflows.SearchAttributes() {
		did := unchanged
		if kind, ok := missing[key.GetName()]; ok {
			did = "added, " + kind.String()
		}
		done = append(done, Done{"search attribute", key.GetName(), did})
	}
	return done, nil
}

// awaitAttributes returns when a search that names them all is understood. Until then the
// server refuses workflows that carry them.
func (c Cluster) awaitAttributes(ctx context.Context) error {
	var conditions []string
	for _, key := range workflows.SearchAttributes() {
		conditions = append(conditions, key.GetName()+" IS NULL")
	}
	search := &workflowservice.ListWorkflowExecutionsRequest{Namespace: c.Namespace, PageSize: 1, Query: strings.Join(conditions, " AND ")}
	return c.await(ctx, knownLimit, "the search attributes added to namespace "+c.Namespace, func(ctx context.Context) error {
		_, err := c.Temporal.WorkflowService().ListWorkflowExecutions(ctx, search)
		return err
	})
}

// await repeats a question until it is answered without an error, or the limit is over.
func (c Cluster) await(ctx context.Context, limit time.Duration, what string, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(knownEvery)
	defer tick.Stop()
	var last error
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		if last == nil || !late(err) { // that the time was over in the middle of a question says nothing
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server did not take up %s within %s: %w", what, limit, last)
		case <-tick.C:
		}
	}
}

// late says that a question ended with its time.
func late(err error) bool {
	server := new(serviceerror.DeadlineExceeded)
	return errors.As(err, &server) || errors.Is(err, context.DeadlineExceeded)
}

// Lacks says in words what the cluster has not, and what to do; "" is a cluster that may
// serve. The words name our own things alone.
func (c Cluster) Lacks(ctx context.Context) (string, error) {
	found, err := c.namespace(ctx)
	if err != nil {
		return "", fmt.Errorf("describe namespace %s: %w", c.Namespace, err)
	}
	if found == nil {
		return c.noNamespace(), nil
	}
	missing, clashes, err := c.attributes(ctx)
	if err != nil {
		return "", err
	}
	if len(clashes) > 0 {
		return strings.Join(clashes, "; ") + ": " + clashAdvice, nil
	}
	var lacks []string
	for _, key := range workflows.SearchAttributes() {
		if _, ok := missing[key.GetName()]; ok {
			lacks = append(lacks, "search attribute "+key.GetName())
		}
	}
	for _, s := range c.schedules() {
		here, err := s.find(ctx, c.Temporal)
		if err != nil {
			return "", err
		}
		if here == nil {
			lacks = append(lacks, "schedule "+s.id)
		}
	}
	if len(lacks) == 0 {
		return "", nil
	}
	return fmt.Sprintf("namespace %s lacks %s: run tolem setup", c.Namespace, strings.Join(lacks, ", ")), nil
}
