package tracing

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"tolem/activities"
	"tolem/workflows"
)

// One payment is one trace, from the caller's own span to the calls to the partner; a payment
// order's events carry the traces of what brought them to Loxon; and nothing that callers,
// partners or tokens are called is in any span.
func TestTraces(t *testing.T) {
	s := start(t)

	status, answer := s.asks(1, http.MethodPost, "/v1/payments",
		`{"serviceId":"P1011","account":"7770017711","amountTo":200.00,"fullName":"Тестов Тест","identityCard":"990101300017"}`)
	require.Equal(t, http.StatusCreated, status, answer)
	var payment struct{ ID, State string }
	require.NoError(t, json.Unmarshal([]byte(answer), &payment))
	require.Equal(t, "succeeded", payment.State)
	s.paymentIsOneTrace()
	s.historyReplays("payment/" + payment.ID)

	status, _ = s.asks(2, http.MethodGet, "/v1/payments/"+payment.ID+"?color=secret-query", "")
	require.Equal(t, http.StatusBadRequest, status)
	refused := s.trace(2, "GET /v1/payments/{id}")
	require.Len(t, refused, 1)

	s.eventsCarryTheirTraces()
	s.schedulesBeginTraces()
	s.requireNobody("7770017711", "Тестов", "990101300017", "secret-query", "KZ000000000000000000", "111111111111", "KD-own", "Примеров", "simulator")
}

func (s *traced) paymentIsOneTrace() {
	s.t.Helper()
	spans := s.trace(1, "POST /v1/payments", "RunActivity:Pay")
	for _, call := range []struct{ partner, activity string }{{"processing check", "Check"}, {"processing pay", "Pay"}} {
		require.Equal(s.t, []string{call.partner, "RunActivity:" + call.activity, "StartActivity:" + call.activity, "StartWorkflow:Payment", "POST /v1/payments", "caller"},
			above(spans, call.partner))
	}
	for _, span := range spans {
		require.Equal(s.t, "caller", above(spans, span.Name)[len(above(spans, span.Name))-1], span.Name)
	}
}

// historyReplays asserts that what was recorded while somebody traced goes on under a worker
// that does not, and holds of the trace its two ids alone.
func (s *traced) historyReplays(process string) {
	s.t.Helper()
	temporal, err := client.Dial(client.Options{HostPort: s.stack.Env["TEMPORAL_ADDRESS"], Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	require.NoError(s.t, err)
	defer temporal.Close()
	history := &historypb.History{}
	for events := temporal.GetWorkflowHistory(s.t.Context(), process, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); events.HasNext(); {
		event, err := events.Next()
		require.NoError(s.t, err)
		history.Events = append(history.Events, event)
	}
	header := history.GetEvents()[0].GetWorkflowExecutionStartedEventAttributes().GetHeader().GetFields()
	require.Len(s.t, header, 1)
	require.Regexp(s.t, `^\{"traceparent":"00-`+traceID(1)+`-[0-9a-f]{16}-01"\}$`, string(header["_tracer-data"].GetData()))

	replayer := worker.NewWorkflowReplayer()
	replayer.RegisterWorkflowWithOptions(workflows.Payment, workflow.RegisterOptions{Name: activities.WorkflowPayment})
	require.NoError(s.t, replayer.ReplayWorkflowHistory(log.NewStructuredLogger(slog.New(slog.DiscardHandler)), history))
}

// eventsCarryTheirTraces takes a loan in in one trace and reports a status in another.
func (s *traced) eventsCarryTheirTraces() {
	s.t.Helper()
	status, answer := s.asks(3, http.MethodPost, "/restapi/services/k2loan_from_eko",
		`[{"iban":"KZ000000000000000000","cur":"KZT","debt":800000,"fullname":"Тестов Тест","contract_number":"KD-own",`+
			`"dbz_contract_number":"KD-1/26","iinbin":"111111111111","overdue_days":90,"system":"way4"}]`)
	require.Equal(s.t, http.StatusOK, status)
	require.Contains(s.t, answer, `"error_code":0`)
	first := s.told(1)[0]
	var order struct {
		Reference string `json:"pt_referer"`
	}
	path := "/v1/payment-orders/" + url.PathEscape("KD-1/26")
	status, answer = s.asks(4, http.MethodGet, path, "")
	require.Equal(s.t, http.StatusOK, status, answer)
	require.NoError(s.t, json.Unmarshal([]byte(answer), &order))
	status, answer = s.asks(5, http.MethodPost, "/restapi/services/k2req_status_from_eko", fmt.Sprintf(`{"reference":%q,"status_code":"PC1"}`, order.Reference))
	require.Equal(s.t, http.StatusOK, status, answer)
	second := s.told(2)[1]

	// The request that took the loan in leads to the process, to ABS and to the first message.
	spans := s.trace(3, "abs client", "abs scan", "loxon send", "RunActivity:TellLoxon")
	for _, name := range []string{"abs client", "abs accounts", "abs statement", "abs scan", "loxon send"} {
		names := above(spans, name)
		require.Equal(s.t, []string{"POST /restapi/services/k2loan_from_eko", "caller"}, names[len(names)-2:], name)
	}
	require.True(s.t, strings.HasPrefix(first, "00-"+traceID(3)+"-"), first)
	require.Contains(s.t, first, idOf(spans, "RunActivity:SendRequest"))
	// The second message names the request that reported its status.
	spans = s.trace(5, "POST /restapi/services/k2req_status_from_eko")
	require.Equal(s.t, "00-"+traceID(5)+"-"+idOf(spans, "POST /restapi/services/k2req_status_from_eko")+"-01", second)
	s.requireLinked(traceID(5))
}

// schedulesBeginTraces asserts that a scheduled run belongs to no trace but its own.
func (s *traced) schedulesBeginTraces() {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		for _, span := range s.spans.GetSpans() {
			if span.Name == "StartActivity:StartMissing" {
				require.False(s.t, span.Parent.IsValid(), "a parent")
				return true
			}
		}
		return false
	}, patience, patienceStep, "a sweep")
}

// requireLinked asserts that an attempt to send is linked to the trace that its event came from.
func (s *traced) requireLinked(trace string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		for _, span := range s.spans.GetSpans() {
			for _, link := range span.Links {
				if span.Name == "loxon send" && link.SpanContext.TraceID().String() == trace {
					return true
				}
			}
		}
		return false
	}, patience, patienceStep, "a linked attempt")
}

// told reads the traceparents of the topic, with a client that is not ours, until it has n.
func (s *traced) told(n int) (traceparents []string) {
	s.t.Helper()
	reader, err := kgo.NewClient(kgo.SeedBrokers(s.stack.Env["KAFKA_BROKERS"]), kgo.ConsumeTopics("loxon"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	require.NoError(s.t, err)
	defer reader.Close()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	for len(traceparents) < n {
		fetched := reader.PollFetches(ctx)
		require.NoError(s.t, fetched.Err())
		fetched.EachRecord(func(r *kgo.Record) {
			for _, h := range r.Headers {
				if h.Key == "traceparent" {
					traceparents = append(traceparents, string(h.Value))
				}
			}
		})
	}
	return traceparents
}
