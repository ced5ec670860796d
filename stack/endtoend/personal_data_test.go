package endtoend

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"tolem/simulators/abs"
	bank "tolem/simulators/cfront"
	"tolem/simulators/parts"
)

// All three processes run under faults, and callers send what is refused: no history of
// Temporal, line of a log, metric, problem or Kafka header holds anything of the people in
// them. (Spans are looked through in stack/tracing.)
func TestNothingPersonalLeavesTheLedger(t *testing.T) {
	t.Parallel()
	i := startInfra(t)
	user := i.caller()
	env := maps.Clone(i.env)
	env["METRICS_ADDR"] = freeAddress(t)
	worker := start(t, programs.tolem, env, "worker")
	storm := func(call string) parts.Storm {
		return parts.Storm{Call: call, Seed: 7, LostAnswer: 0.3, ResetBefore: 0.2}
	}
	for _, call := range []string{"check", "pay"} {
		require.NoError(t, i.centre.Storm(storm(call)))
	}
	for _, call := range []string{bank.CallCreate, bank.CallState, bank.CallConfirm} {
		require.NoError(t, i.bank.Storm(storm(call)))
	}
	for _, call := range []string{abs.CallClient, abs.CallAccounts, abs.CallStatement, abs.CallScan} {
		require.NoError(t, i.stack.Partners().ABS.Storm(storm(call)))
	}

	payment := user.pays("personal").ID
	user.sells("personal", clientAgrees, `,"auto_confirm":true`)
	code, text := user.sendsLoans(loanJSON("KD/personal", 1000))
	require.Zero(t, code, text)
	var problems []string
	for path, body := range map[string]string{
		"/v1/payments":           strings.Replace(plain, "200.00", "-200.001", 1),
		"/v1/orders":             orderBody("wrong", "+7701000001x", ""),
		"/v1/clients/validate":   `{"phone":"+77010000011x"}`,
		"/v1/operators/lookup":   `{"phone":"77700177110000"}`,
		"/v1/payments/1/resolve": `{"outcome":"paid","reason":"` + reason + `","evidence":"` + evidence + `"}`,
	} {
		status, answer := user.do(http.MethodPost, path, body, map[string]string{"Idempotency-Key": "wrong"}, nil)
		require.GreaterOrEqual(t, status, 400, path)
		problems = append(problems, answer)
	}
	code, text = user.sendsLoans(strings.Replace(loanJSON("KD/wrong", 1000), debtorIIN, debtorIIN+"x", 1))
	require.NotZero(t, code)
	problems = append(problems, text)

	user.finds(payment, "succeeded")
	user.sees("personal", "paid_out")
	user.findsContract("KD/personal", "sent")
	eventually(t, "Loxon is told", func() bool { return user.toldOf("KD/personal") == 1 })
	for what, everything := range map[string]string{
		"problems": strings.ReplaceAll(strings.Join(problems, "\n"), "+77010000017", "the rule's own example"), "Kafka headers": i.headers(),
		"the API's metrics": scraped(t, i.url()), "the worker's metrics": scraped(t, "http://"+env["METRICS_ADDR"]),
	} {
		require.NotEmpty(t, everything, what)
		for _, secret := range append(private(), i.token) {
			require.NotContains(t, everything, secret, what)
		}
	}
	i.tellsNothing(worker, i.api)
}

// headers are the headers of all messages on Loxon's topic.
func (i *infra) headers() (all string) {
	i.t.Helper()
	reader, err := kgo.NewClient(kgo.SeedBrokers(i.env["KAFKA_BROKERS"]), kgo.ConsumeTopics("loxon"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	require.NoError(i.t, err)
	defer reader.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for all == "" {
		fetched := reader.PollFetches(ctx)
		require.NoError(i.t, fetched.Err())
		fetched.EachRecord(func(r *kgo.Record) {
			for _, h := range r.Headers {
				all += h.Key + ": " + string(h.Value) + "\n"
			}
		})
	}
	return all
}

func scraped(t *testing.T, base string) string {
	t.Helper()
	_, text := (&caller{t: t, api: base}).do(http.MethodGet, "/metrics", "", nil, nil)
	require.Contains(t, text, "tolem_processes_ended_total")
	return text
}
