package endtoend

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"

	centre "tolem/simulators/processing"
	"tolem/storage/privatepostgres/postgrestest"
)

// Tomorrow's code: every wait of every process ends with a step that today's histories do
// not have. docs/development/changing-a-workflow.md shows the same.
const (
	waitsAt  = "	_ = workflow.Await(ctx, func() bool { return timer.IsReady() || interrupted() }) // only a cancel, which the caller reads from ctx\n"
	careless = waitsAt + "	_ = workflow.Sleep(ctx, time.Millisecond)\n"
	careful  = waitsAt + "	if restsAfterWaits(ctx) {\n		_ = workflow.Sleep(ctx, time.Millisecond)\n	}\n"
	versions = `package workflows

import "go.temporal.io/sdk/workflow"

func restsAfterWaits(ctx workflow.Context) bool {
	return workflow.GetVersion(ctx, "rest-after-wait", workflow.DefaultVersion, 1) >= 1
}
`
)

// changed builds the binary with another end of every wait, and with one file more if it has
// a text.
func changed(t *testing.T, wait, more string) (program string) {
	t.Helper()
	dir := t.TempDir()
	waiting, err := filepath.Abs("../../workflows/waiting.go")
	require.NoError(t, err)
	today, err := os.ReadFile(waiting)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(today), waitsAt), "the line that tomorrow's code changes")
	replace := map[string]string{waiting: filepath.Join(dir, "waiting.go")}
	require.NoError(t, os.WriteFile(replace[waiting], []byte(strings.Replace(string(today), waitsAt, wait, 1)), 0o600))
	if more != "" {
		added := filepath.Join(filepath.Dir(waiting), "versions_tomorrow.go") // beside today's
		replace[added] = filepath.Join(dir, "versions.go")
		require.NoError(t, os.WriteFile(replace[added], []byte(more), 0o600))
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600))
	program = filepath.Join(dir, "tolem")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", program, "tolem/cmd/tolem").CombinedOutput()
	require.NoError(t, err, string(out))
	return program
}

// version is a build of the workers' code.
type version struct {
	*infra
	program, build string
}

func (v version) env() map[string]string {
	env := maps.Clone(v.infra.env)
	env["TEMPORAL_WORKER_BUILD_ID"] = v.build
	return env
}

func (v version) worker() *process { v.t.Helper(); return start(v.t, v.program, v.env(), "worker") }

// deployment gives a command of `tolem deployment`.
func (v version) deployment(args ...string) (out string, exit int) {
	v.t.Helper()
	return run(v.t, v.program, v.env(), append([]string{"deployment"}, args...)...)
}

func (v version) promotes() {
	v.t.Helper()
	out, exit := v.deployment("promote")
	require.Zero(v.t, exit, out)
	require.Contains(v.t, out, "build "+v.build+" of deployment tolem gets the tasks of 100 % of all processes")
}

// count counts workflows by a search.
func (i *infra) count(search string) int {
	i.t.Helper()
	found, err := i.temporal.CountWorkflow(i.t.Context(), &workflowservice.CountWorkflowExecutionsRequest{Query: search})
	require.NoError(i.t, err)
	return int(found.GetCount())
}

// opened are processes that wait, by what they wait for.
type opened struct {
	retried, asked, held []string // payments
	orders, contracts    []string
}

// open makes processes and returns when all of them wait: payments for their next attempt,
// their payer, or an operator, orders for their client, contracts for what happens to their
// payment order.
func (i *infra) open(processes int) (o opened) {
	i.t.Helper()
	user := i.caller()
	script(i.t, i.centre, "pay", centre.Answer{Code: 1, DelayMs: 300, Times: 1_000_000})
	fifth := processes / 5
	o.orders, o.contracts, o.asked = make([]string, fifth), make([]string, fifth), make([]string, fifth)
	o.held, o.retried = make([]string, processes/20), make([]string, processes-3*fifth-processes/20)
	loans := make([]string, fifth)
	for n := range fifth {
		o.orders[n], o.contracts[n] = fmt.Sprint("flip-", n), fmt.Sprint("KD/", n)
		loans[n] = loanJSON(o.contracts[n], 1000)
	}
	code, text := user.sendsLoans(loans...)
	require.Zero(i.t, code, text)
	twentyAtATime(i.t, len(o.retried), func(n int) {
		o.retried[n] = user.pays(fmt.Sprint("retried-", n)).ID
		user.answeredBy(o.retried[n], 1)
	})
	twentyAtATime(i.t, len(o.held), func(n int) {
		o.held[n] = user.pays(fmt.Sprint("held-", n)).ID
		user.answeredBy(o.held[n], 1)
		user.orders(o.held[n], "hold", "hold").did(i.t, http.StatusOK, "held", "paying")
	})
	twentyAtATime(i.t, fifth, func(n int) {
		user.sells(o.orders[n], fmt.Sprintf("+77010%05d2", n), `,"auto_confirm":true`) // a client each, who thinks
		o.asked[n] = user.asked(fmt.Sprint("asked-", n), strings.Replace(plain, "{", `{"autoPay":false,`, 1)).ID
		user.sees(o.orders[n], "waiting_for_client")
		user.findsContract(o.contracts[n], "sent")
	})
	require.Equal(i.t, processes, i.count("ExecutionStatus = 'Running' AND TolemState IS NOT NULL"))
	return o
}

// end lets everybody go on to the end, and asserts by the partners' own books that each ended
// once.
func (o opened) end(i *infra) {
	i.t.Helper()
	user := i.caller()
	require.NoError(i.t, i.centre.ClearScripts())
	twentyAtATime(i.t, len(o.held), func(n int) { user.orders(o.held[n], "release", "release") })
	twentyAtATime(i.t, len(o.orders), func(n int) {
		user.chooses(o.asked[n], "")
		require.NoError(i.t, i.bank.Approve(o.orders[n]))
		require.Equal(i.t, http.StatusCreated, user.reports(o.contracts[n], "end", `{"status":"payment order executed","paid_amount":1000}`))
	})
	payments := slices.Concat(o.retried, o.held, o.asked)
	twentyAtATime(i.t, len(payments), func(n int) {
		user.finds(payments[n], "succeeded")
		movedOnce(i.t, i.centre, payments[n])
		for _, a := range user.attempts(payments[n]) {
			require.True(i.t, a.Reported, "payment %s: an attempt without an outcome", payments[n])
		}
	})
	twentyAtATime(i.t, len(o.orders), func(n int) {
		user.sees(o.orders[n], "paid_out")
		i.settled(o.orders[n])
		user.findsContract(o.contracts[n], "executed")
	})
	events := i.told(2 * len(o.contracts))
	for _, contract := range o.contracts {
		require.Equal(i.t, []string{"request was sent 0", "payment order executed 1000"}, statusesOf(i.t, events, contract), contract)
	}
}

// verified asks `tolem verify`, which compares ledger, journal, Temporal, Loxon's topic and
// the partners' books.
func (i *infra) verified() {
	i.t.Helper()
	var out string
	eventually(i.t, "every workflow has closed", func() bool { return i.count("ExecutionStatus = 'Running' AND TolemState IS NOT NULL") == 0 })
	out, exit := run(i.t, programs.tolem, i.env, "verify", "--all-ended", "--books", strings.TrimSuffix(i.env["PROCESSING_URL"], "/processing"))
	require.Zero(i.t, exit, out)
	require.Contains(i.t, out, "0 findings")
}

// deploying are settings under which thousands of waiting processes do little.
func deploying(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{"DATABASE_URL": postgrestest.ForTest(t), "RETRY_INITIAL": "5s", "CFRONT_POLL_FIRST": "5s", "CFRONT_POLL_MAX": "20s"}
}

// Five hundred open processes began under one version of the code. The next version, whose
// workflows have a step more, replays them all, is tried on some, takes over, and the old
// one's worker leaves by SIGTERM: it finishes the calls it has begun, and every process ends
// right under the new one.
func TestVersionFlip(t *testing.T) {
	t.Parallel()
	i := startInfraWith(t, deploying(t))
	today, tomorrow := version{i, programs.tolem, "2026-12-01.1"}, version{i, changed(t, careful, versions), "2026-12-02.1"}
	old := today.worker()
	today.promotes()
	const processes = 500
	open := i.open(processes)

	for _, v := range []version{today, tomorrow} {
		out, exit := v.deployment("replay", "--limit", fmt.Sprint(processes))
		require.Zero(t, exit, out)
	}
	worker := tomorrow.worker()
	out, exit := tomorrow.deployment("promote", "--percent", "10")
	require.Zero(t, exit, out)
	eventually(t, "some processes are tried under the new version", func() bool { return i.count(under(tomorrow)) > 0 })
	tomorrow.promotes()
	old.terminate()
	out, exit = tomorrow.deployment("list")
	require.Zero(t, exit, out)
	require.Regexp(t, `2026-12-02\.1 +100 %`, out)
	require.Regexp(t, `2026-12-01\.1 +0 %`, out)

	open.end(i)
	i.verified()
	require.Equal(t, processes, i.count(under(tomorrow)+" AND ExecutionStatus = 'Completed' AND TolemState IS NOT NULL"))
	require.Positive(t, i.count("TemporalChangeVersion = 'rest-after-wait-1'"), "the new step was taken")
	i.tellsNothing(old, worker, i.api)
}

// under is a search for what went on last under a version.
func under(v version) string { return "TemporalWorkerDeploymentVersion = 'tolem:" + v.build + "'" }

// A change without GetVersion is found before it takes over: open histories do not replay.
// If it takes over all the same, processes stand still, nothing is lost or done twice, and
// the version before, promoted again, goes on with all of them. A version without workers
// is not promoted at all.
func TestCarelessVersionIsRolledBack(t *testing.T) {
	t.Parallel()
	i := startInfraWith(t, deploying(t))
	today, tomorrow := version{i, programs.tolem, "good"}, version{i, changed(t, careless, ""), "careless"}
	worker := today.worker()
	today.promotes()
	open := i.open(40)
	retried := open.retried[0]
	eventually(t, "a payment has waited", func() bool { return len(i.caller().attempts(retried)) > 2 })

	out, exit := tomorrow.deployment("replay")
	require.Equal(t, 1, exit, out)
	require.Contains(t, out, "payment/"+retried)
	require.Contains(t, out, "do not go on under this code")
	out, exit = tomorrow.deployment("promote")
	require.Equal(t, 1, exit, out)
	require.Contains(t, out, "no worker of build careless polls tolem (workflows)")

	wrong := tomorrow.worker()
	tomorrow.promotes()
	eventually(t, "a payment stands still", func() bool { return i.failedTasks("payment/"+retried) > 0 })
	before := len(i.caller().attempts(retried))
	today.promotes()
	wrong.terminate()
	require.Equal(t, "paying", i.caller().reads(retried).State)
	require.LessOrEqual(t, before, len(i.caller().attempts(retried)))
	open.end(i)
	i.verified()
	i.tellsNothing(worker, i.api) // the wrong one's complaints quote no more than ids: see Failed
}

// failedTasks counts workflow tasks of a payment that failed.
func (i *infra) failedTasks(id string) (failed int) {
	i.t.Helper()
	described, err := i.temporal.DescribeWorkflowExecution(i.t.Context(), id, "")
	require.NoError(i.t, err)
	return int(described.GetPendingWorkflowTask().GetAttempt()) - 1
}
