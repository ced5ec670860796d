package metrics_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"

	"tolem/cmd/tolem/metrics"
)

// One name with different labels, from many goroutines, is what the SDK does; all of it
// is served.
func TestTemporalsMetricsAreServed(t *testing.T) {
	registry := prometheus.NewRegistry()
	sdk := metrics.Temporal(registry)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			root := sdk.WithTags(map[string]string{"task_queue": "none", "namespace": "default"})
			root.Counter("temporal_request").Inc(2)
			root.WithTags(map[string]string{"task_queue": "tolem", "operation": "StartWorkflow"}).Counter("temporal_request").Inc(1)
			root.Counter("temporal_local_activity_total").Inc(1)
			root.Gauge("temporal_num_pollers").Update(16)
			root.Timer("temporal_request_latency").Record(20 * time.Millisecond)
		})
	}
	all.Wait()
	server := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	t.Cleanup(server.Close)
	body := get(t, server.URL)
	for _, line := range []string{
		`temporal_request_total{namespace="default",task_queue="none"} 16`,
		`temporal_request_total{namespace="default",operation="StartWorkflow",task_queue="tolem"} 8`,
		`temporal_local_activity_total{namespace="default",task_queue="none"} 8`,
		`temporal_num_pollers{namespace="default",task_queue="none"} 16`,
		`temporal_request_latency_seconds_bucket{namespace="default",task_queue="none",le="0.01"} 0`,
		`temporal_request_latency_seconds_bucket{namespace="default",task_queue="none",le="0.025"} 8`,
	} {
		require.Contains(t, body, line+"\n")
	}
	require.Equal(t, 1, strings.Count(body, "# TYPE temporal_request_total "))
}

func get(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	client := &http.Client{Timeout: time.Minute}
	answer, err := client.Do(request)
	require.NoError(t, err)
	defer func() { _ = answer.Body.Close() }() // read
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	return string(body)
}
