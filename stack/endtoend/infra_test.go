package endtoend

import (
	"io"
	"log/slog"
	"maps"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	bank "tolem/simulators/cfront"
	centre "tolem/simulators/processing"
	"tolem/stack/datadir"
	"tolem/stack/embedded"
)

// infra is Temporal, Kafka and partners in the test's own process; API and
// workers are processes of their own.
type infra struct {
	t        *testing.T
	stack    *embedded.Stack
	centre   *centre.Centre
	bank     *bank.Bank
	temporal client.Client
	env      map[string]string
	api      *process
	token    string
}

// startInfra starts infrastructure and an API process on it, all on SQLite.
func startInfra(t *testing.T) *infra {
	t.Helper()
	return startInfraWith(t, nil)
}

// startInfraWith does so with settings of its own, which every process gets.
func startInfraWith(t *testing.T, settings map[string]string) *infra {
	t.Helper()
	dir, err := datadir.Open(filepath.Join(t.TempDir(), "data"))
	require.NoError(t, err)
	stack, err := embedded.Start(t.Context(), options(dir, func(o *embedded.Options) {
		o.InfraOnly = true
		o.Getenv = func(name string) string { return settings[name] }
	}))
	require.NoError(t, err)
	t.Cleanup(func() {
		stack.Stop()
		require.NoError(t, dir.Close())
	})
	i := &infra{t: t, stack: stack, centre: stack.Partners().Processing, bank: stack.Partners().CFRONT, env: stack.Env, token: stack.Token}
	i.temporal = dial(t, stack)
	i.env["DRAIN_DELAY"] = "0s" // nobody routes
	i.env["PARTNER_TIMEOUT"], i.env["RETRY_INITIAL"], i.env["RETRY_FACTOR"] = "3s", "100ms", "1.5"
	i.env["API_ADDR"] = freeAddress(t)
	i.env["CFRONT_CALLBACK_URL"] = i.url()
	i.env["CFRONT_POLL_FIRST"], i.env["CFRONT_POLL_MAX"], i.env["CFRONT_PAYOUT_POLL_MAX"] = "100ms", "1s", "1s"
	maps.Copy(i.env, settings)
	i.startAPI()
	return i
}

// in is the same infrastructure for a subtest.
func (i *infra) in(t *testing.T) *infra {
	part := *i
	part.t = t
	return &part
}

func (i *infra) startAPI() {
	i.t.Helper()
	i.api = start(i.t, programs.tolem, i.env, "api")
	eventually(i.t, "the API answers", func() bool { return answers(i.url() + "/livez") })
}

func (i *infra) url() string { return "http://" + i.env["API_ADDR"] }

// otherAPI starts an API process beside the first, with settings of its own, and
// returns a caller of it.
func (i *infra) otherAPI(settings map[string]string) *caller {
	i.t.Helper()
	other := i.in(i.t)
	other.env = maps.Clone(i.env)
	other.env["API_ADDR"] = freeAddress(i.t)
	maps.Copy(other.env, settings)
	other.startAPI()
	return other.caller()
}

// options of an embedded stack on free ports, deaf to the environment.
func options(dir *datadir.Dir, change func(*embedded.Options)) embedded.Options {
	o := embedded.Options{
		Dir: dir, TemporalAddr: "127.0.0.1:0", KafkaAddr: "127.0.0.1:0", SimulatorsAddr: "127.0.0.1:0",
		Getenv: func(string) string { return "" }, Progress: io.Discard,
	}
	if change != nil {
		change(&o)
	}
	return o
}

func dial(t *testing.T, stack *embedded.Stack) client.Client {
	t.Helper()
	c, err := client.DialContext(t.Context(), client.Options{
		HostPort: stack.Env["TEMPORAL_ADDRESS"], Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func (i *infra) worker() *process { return start(i.t, programs.tolem, i.env, "worker") }

func (i *infra) caller() *caller { return &caller{t: i.t, api: i.url(), token: i.token} }
