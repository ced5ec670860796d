package endtoend

import (
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/proto"

	"tolem/cmd/tolem/app"
	"tolem/domain"
	centre "tolem/simulators/processing"
	"tolem/stack/datadir"
	"tolem/stack/embedded"
	"tolem/workflows"
)

// reopened starts a whole stack on a data directory, in the test's own process, with a sweep
// that starts what is older than two seconds. Stop it before it is opened again.
func reopened(t *testing.T, path string, environment map[string]string) (i *infra, stop func()) {
	t.Helper()
	dir, err := datadir.Open(path)
	require.NoError(t, err)
	stack, err := embedded.Start(t.Context(), options(dir, func(o *embedded.Options) {
		o.SweepOlderThan = 2 * time.Second
		o.Getenv = func(name string) string { return environment[name] }
	}))
	require.NoError(t, err)
	partners := stack.Partners()
	i = &infra{t: t, stack: stack, centre: partners.Processing, bank: partners.CFRONT, env: map[string]string{"API_ADDR": stack.APIAddr}, token: stack.Token}
	return i, func() {
		stack.Stop()
		require.NoError(t, dir.Close())
	}
}

// Temporal's database is deleted in the middle of retrying payments. The sweep
// starts every open one from the ledger: one effect each, right states.
func TestTemporalsDatabaseDeleted(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data")
	environment := map[string]string{"API_ADDR": freeAddress(t), "RETRY_INITIAL": "1s"}
	i, stop := reopened(t, path, environment)
	user, books := i.caller(), i.centre
	// A third is never answered before the loss though its money moved, a third
	// gets refused for good, a third is under review.
	var lost, refused, reviewed []string
	for n := range 9 {
		account := fmt.Sprintf("777%07d", 1000+n)
		answers := [][]centre.Answer{
			{{Fault: centre.LostAnswer}, {Fault: centre.HTML502, Times: 4}},
			{{Code: 1, Times: 4}, {Code: 300}},
			{{Code: 153, Times: 4}},
		}[n%3]
		require.NoError(t, books.Script(centre.Script{Call: "pay", Account: account, Answers: answers}))
		var p payment
		status, answer := user.do(http.MethodPost, "/v1/payments", strings.Replace(plain, "7770017711", account, 1),
			map[string]string{"Idempotency-Key": account}, &p)
		require.Equal(t, http.StatusAccepted, status, answer)
		list := []*[]string{&lost, &refused, &reviewed}[n%3]
		*list = append(*list, p.ID)
	}
	for _, id := range append(append(lost, refused...), reviewed...) {
		eventually(t, "payment "+id+" is retrying", func() bool { return user.reads(id).Attempts >= 3 })
	}
	stop()
	require.NoError(t, os.RemoveAll(filepath.Join(path, "temporal")))

	i, stop = reopened(t, path, environment)
	defer stop()
	user, books = i.caller(), i.centre
	for _, id := range append(lost, reviewed...) {
		user.finds(id, "succeeded")
		movedOnce(t, books, id)
	}
	for _, id := range refused {
		require.Equal(t, 300, *user.finds(id, "refused").ResultCode)
		require.Zero(t, books.Effects(number(t, id)))
	}
}

// Temporal is away when a payment is accepted: 202, and the sweep starts it.
func TestTemporalAwayAtAcceptance(t *testing.T) {
	t.Parallel()
	i := startInfra(t)
	user := i.otherAPI(map[string]string{"TEMPORAL_ADDRESS": freeAddress(t)})
	require.False(t, answers(user.api+"/readyz"))
	p := user.pays("k")
	require.Equal(t, "accepted", p.State)

	config, err := app.Read(func(name string) string { return i.env[name] }, client.Options{HostPort: i.env["TEMPORAL_ADDRESS"]})
	require.NoError(t, err)
	config.SweepOlderThan = time.Second
	_, err = app.Setup(t.Context(), config) // the schedule that is there sweeps later
	require.NoError(t, err)
	worker, err := app.Start(t.Context(), config, app.Parts{Worker: true})
	require.NoError(t, err)
	defer worker.Stop()
	user.finds(p.ID, "succeeded")
	movedOnce(t, i.centre, p.ID)
}

// Starting a running payment is finding it. A payment that has ended may be started and
// nobody is called; one that is open again although its workflow completed, as after a
// restore of the ledger, goes on from its row with the same bytes.
func TestStartTwice(t *testing.T) {
	t.Parallel()
	i := startInfra(t)
	user := i.caller()
	i.worker()
	script(t, i.centre, "pay", centre.Answer{Code: 1, Times: 2})
	id := user.pays("k").ID
	eventually(t, "it waits", func() bool { return user.reads(id).Attempts >= 2 })
	in := workflows.PaymentInput{
		PaymentID: domain.AgentTransactionID(number(t, id)), ServiceID: "P1011", PartnerTimeout: time.Second,
		Ladder: domain.Ladder{Initial: time.Second, FactorMilli: 2000},
	}
	first, err := workflows.StartPayment(t.Context(), i.temporal, in)
	require.NoError(t, err)
	second, err := workflows.StartPayment(t.Context(), i.temporal, in)
	require.NoError(t, err)
	require.Equal(t, first.GetRunID(), second.GetRunID())

	user.finds(id, "succeeded")
	require.NoError(t, i.temporal.GetWorkflow(t.Context(), "payment/"+id, "").Get(t.Context(), nil))
	attempts := user.reads(id).Attempts
	run, err := workflows.StartPayment(t.Context(), i.temporal, in)
	require.NoError(t, err)
	require.NotEqual(t, first.GetRunID(), run.GetRunID())
	var result workflows.PaymentResult
	require.NoError(t, run.Get(t.Context(), &result))
	require.Equal(t, domain.StateSucceeded, result.State)
	require.Equal(t, attempts, user.reads(id).Attempts)

	db, err := sql.Open("sqlite", strings.TrimPrefix(i.env["DATABASE_URL"], "sqlite://")+"?_pragma=busy_timeout(5000)")
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	_, err = db.ExecContext(t.Context(), "UPDATE payments SET state = 'paying', transaction_id = NULL, step = 2 WHERE id = "+id)
	require.NoError(t, err)
	run, err = workflows.StartPayment(t.Context(), i.temporal, in)
	require.NoError(t, err)
	require.NoError(t, run.Get(t.Context(), &result))
	require.Equal(t, domain.StateSucceeded, result.State)
	require.Equal(t, attempts+1, user.reads(id).Attempts)
	movedOnce(t, i.centre, id)
}

// Whoever runs a Temporal server and the simulators needs one variable to begin.
func TestServeWithTemporalAlone(t *testing.T) {
	t.Parallel()
	i := startInfra(t)
	env := map[string]string{
		"TEMPORAL_ADDRESS": i.env["TEMPORAL_ADDRESS"], "API_ADDR": freeAddress(t), // two programs on one machine
		"DATABASE_URL": "sqlite://" + filepath.Join(t.TempDir(), "ledger.db"), "PROCESSING_URL": i.env["PROCESSING_URL"], "PROCESSING_TOKEN": "simulator",
	}
	serve := start(t, programs.tolem, env, "serve")
	eventually(t, "the API answers", func() bool { return answers("http://" + env["API_ADDR"] + "/readyz") })
	_, rest, found := strings.Cut(serve.output(), "the token is ")
	require.True(t, found)
	user := &caller{t: t, api: "http://" + env["API_ADDR"], token: strings.Fields(rest)[0]}
	id := user.pays("k").ID
	user.finds(id, "succeeded")
	movedOnce(t, i.centre, id)
	serve.terminate()
}

// A payment that succeeds at once is one workflow task, and nothing personal
// enters Temporal: not the account, not a name, not a token.
func TestNothingPersonalEntersTemporal(t *testing.T) {
	t.Parallel()
	i := startInfra(t)
	user := i.caller()
	i.worker()
	quick := user.finds(user.pays("quick").ID, "succeeded")
	script(t, i.centre, "pay", centre.Answer{Code: 153}, centre.Answer{Fault: centre.LostAnswer}, centre.Answer{Code: 999, Transient: true})
	slow := user.finds(user.pays("slow").ID, "succeeded")

	tasks := 0
	for _, id := range []string{quick.ID, slow.ID} {
		var everything []byte // protobuf's bytes hold every text as it is
		events := i.temporal.GetWorkflowHistory(t.Context(), "payment/"+id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for events.HasNext() {
			event, err := events.Next()
			require.NoError(t, err)
			if id == quick.ID && event.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
				tasks++
			}
			raw, err := proto.Marshal(event)
			require.NoError(t, err)
			everything = append(everything, raw...)
		}
		require.Contains(t, string(everything), "P1011", "the search finds what is there")
		for _, personal := range []string{"7770017711", "Тестов", i.token, "simulator"} {
			require.NotContains(t, string(everything), personal)
		}
	}
	require.Equal(t, 1, tasks, "workflow tasks of a payment that succeeds at once")
}
