// Package endtoend drives Tolem as its users do: over HTTP, with real processes
// that are killed, frozen and started again, and asks the simulated partner's own
// books where the money is.
package endtoend

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	bank "tolem/simulators/cfront"
	centre "tolem/simulators/processing"
	"tolem/stack/datadir"
	"tolem/stack/embedded"
	"tolem/storage/privatepostgres/postgrestest"
)

// programs are the binaries under test, built once.
var programs struct{ tolem, stack string }

// patience bounds every wait for something that must happen; it is no
// measurement. A worker's death alone costs 10 s of workflow task time-out.
const patience = 3 * time.Minute

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	dir, err := os.MkdirTemp("", "tolem-endtoend-*")
	if err == nil {
		err = build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "endtoend:", err)
		os.Exit(1)
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary directory
	postgrestest.Run(m)
}

func build(dir string) error {
	programs.tolem, programs.stack = filepath.Join(dir, "tolem"), filepath.Join(dir, "stack")
	for _, build := range [][]string{{programs.tolem, "tolem/cmd/tolem"}, {programs.stack, "tolem/stack"}} {
		if out, err := exec.Command("go", "build", "-o", build[0], build[1]).CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", build[1], err, out)
		}
	}
	return nil
}

// process is one program of ours, running.
type process struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	done chan struct{}
	out  *os.File
}

// start runs a program with an environment of its own. It is killed at the end
// of the test if it still runs.
func start(t *testing.T, program string, env map[string]string, args ...string) *process {
	t.Helper()
	out, err := os.CreateTemp(t.TempDir(), "output-*")
	require.NoError(t, err)
	p := &process{t: t, name: filepath.Base(program) + " " + strings.Join(args, " "), cmd: exec.Command(program, args...), done: make(chan struct{}), out: out}
	p.cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	for name, value := range env {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	require.NoError(t, p.cmd.Start())
	go func() {
		_ = p.cmd.Wait() // the exit is read from ProcessState
		close(p.done)
	}()
	t.Cleanup(func() {
		p.signal(syscall.SIGCONT)
		p.kill()
		if t.Failed() {
			t.Logf("%s printed:\n%s", p.name, p.output())
		}
	})
	return p
}

// run runs a program to its end, and returns what it prints and how it exits.
func run(t *testing.T, program string, env map[string]string, args ...string) (out string, exit int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = []string{"HOME=" + t.TempDir()}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	said, err := cmd.CombinedOutput()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return string(said), failed.ExitCode()
	}
	require.NoError(t, err)
	return string(said), 0
}

func (p *process) signal(s os.Signal) { _ = p.cmd.Process.Signal(s) } // it may have ended

// kill is kill -9.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// terminate is SIGTERM, and waits for the orderly end.
func (p *process) terminate() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	p.ends()
	require.Zero(p.t, p.cmd.ProcessState.ExitCode(), p.name)
}

func (p *process) ends() {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("%s did not end", p.name)
	}
}

func (p *process) output() string {
	b, err := os.ReadFile(p.out.Name())
	require.NoError(p.t, err)
	return string(b)
}

// eventually waits until something holds that must come to hold.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	require.Eventually(t, holds, patience, 100*time.Millisecond, what)
}

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

// nextPort counts through ports below the range from which systems take those of
// outgoing connections: one of these stays free until its program listens.
var nextPort atomic.Int32

// freeAddress is a loopback address that nobody listens on, and that no other
// caller is given.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 1000 {
		port := 20_000 + (os.Getpid()*37+int(nextPort.Add(1)))%10_000
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			require.NoError(t, l.Close())
			return l.Addr().String()
		}
	}
	t.Fatal("no free port")
	return ""
}

// httpClient is the callers' client; its time-out is longer than any Prefer: wait.
var httpClient = &http.Client{Timeout: 2 * time.Minute}

func answers(url string) bool {
	response, err := httpClient.Get(url)
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }() // nothing to read
	return response.StatusCode == http.StatusOK
}

// caller is a user of the API.
type caller struct {
	t          *testing.T
	api, token string
}

// payment is the API's view, as far as tests read it.
type payment struct {
	ID            string `json:"id"`
	State         string `json:"state"`
	NeedsOperator bool   `json:"needs_operator"`
	ResultCode    *int   `json:"resultCode"`
	TransactionID string `json:"transactionId"`
	Attempts      int    `json:"attempts"`
	Held          bool   `json:"held"`
	Paused        bool   `json:"paused"`
	ExpiresAt     string `json:"expiresAt"`
	UpdatedAt     string `json:"updatedAt"`
	// AmountTo is tenge with two decimals.
	AmountTo             json.Number `json:"amountTo"`
	AgentTransactionDate string      `json:"agentTransactionDate"`
}

type attempt struct {
	Attempt    int    `json:"attempt"`
	Call       string `json:"call"`
	Cause      string `json:"cause"`
	WaitedMs   int64  `json:"waitedMs"`
	Reported   bool   `json:"reported"`
	ResultCode *int   `json:"resultCode"`
	BodySHA256 string `json:"bodySha256"`
}

// do makes one request and decodes its JSON answer.
func (c *caller) do(method, path, body string, header map[string]string, into any) (status int, answer string) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), method, c.api+path, strings.NewReader(body))
	require.NoError(c.t, err)
	request.Header.Set("Authorization", "Bearer "+c.token)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := httpClient.Do(request)
	require.NoError(c.t, err)
	defer func() { _ = response.Body.Close() }() // read to its end below
	raw, err := io.ReadAll(response.Body)
	require.NoError(c.t, err)
	if into != nil {
		require.NoError(c.t, json.NewDecoder(bytes.NewReader(raw)).Decode(into), string(raw))
	}
	return response.StatusCode, string(raw)
}

const plain = `{"serviceId":"P1011","account":"7770017711","amountTo":200.00,"fullName":"Тестов Тест"}`

// pays creates a plain payment and returns at once.
func (c *caller) pays(key string) payment { return c.paysFor(key, plain) }

// paysFor creates a payment from a body; "" is the plain one.
func (c *caller) paysFor(key, body string) payment {
	c.t.Helper()
	if body == "" {
		body = plain
	}
	var p payment
	status, answer := c.do(http.MethodPost, "/v1/payments", body, map[string]string{"Idempotency-Key": key}, &p)
	require.Contains(c.t, []int{http.StatusAccepted, http.StatusCreated, http.StatusOK}, status, answer)
	return p
}

func (c *caller) reads(id string) payment {
	c.t.Helper()
	var p payment
	status, answer := c.do(http.MethodGet, "/v1/payments/"+id, "", nil, &p)
	require.Equal(c.t, http.StatusOK, status, answer)
	return p
}

func (c *caller) attempts(id string) []attempt {
	c.t.Helper()
	var page struct {
		Items []attempt `json:"items"`
	}
	status, answer := c.do(http.MethodGet, "/v1/payments/"+id+"/attempts", "", nil, &page)
	require.Equal(c.t, http.StatusOK, status, answer)
	return page.Items
}

// finds waits until a payment has a state.
func (c *caller) finds(id, state string) payment {
	c.t.Helper()
	eventually(c.t, "payment "+id+" is "+state, func() bool { return c.reads(id).State == state })
	return c.reads(id)
}

// number is a payment's id as the partner knows it.
func number(t *testing.T, id string) (n int64) {
	t.Helper()
	_, err := fmt.Sscan(id, &n)
	require.NoError(t, err)
	return n
}

// movedOnce asserts by the partner's books that the money moved exactly once,
// with the same bytes at every attempt.
func movedOnce(t *testing.T, c *centre.Centre, id string) {
	t.Helper()
	require.Equal(t, 1, c.Effects(number(t, id)), "effects in the partner's books")
	bodies := map[string]bool{}
	for _, r := range requests(t, c, id, "pay") {
		bodies[r.BodySHA256] = true
	}
	require.Len(t, bodies, 1, "bytes of pay")
}

func requests(t *testing.T, c *centre.Centre, id, call string) (got []centre.Request) {
	t.Helper()
	for _, r := range c.Requests(number(t, id)) {
		if r.Call == call {
			got = append(got, r)
		}
	}
	return got
}

func script(t *testing.T, c *centre.Centre, call string, answers ...centre.Answer) {
	t.Helper()
	require.NoError(t, c.Script(centre.Script{Call: call, Answers: answers}))
}
