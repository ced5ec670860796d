package temporalserver_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/stack/temporalserver"
)

// ask makes one request of a browser to the web UI, of a page with this host.
func ask(t *testing.T, s *temporalserver.Server, method, path, host string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.UIAddr()+path, strings.NewReader("{}"))
	require.NoError(t, err)
	request.Host = host
	request.Header.Set("Sec-Fetch-Site", "same-origin") // what a rebound page's requests say too
	response, err := (&http.Client{Timeout: 30 * time.Second}).Do(request)
	require.NoError(t, err)
	raw, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode, string(raw)
}

const (
	namespacePath = "/api/v1/namespaces/default"
	workflowPath  = namespacePath + "/workflows/payment%2F1"
)

// The UI shows what there is, under this machine's own names, and changes nothing.
func TestUIOnlyShows(t *testing.T) {
	o := options(t)
	o.UIAddr = "127.0.0.1:0"
	s := start(t, o)
	c, disconnect := connect(t, s)
	execute(t, c, "payment/1", describe)
	own := s.UIAddr()
	_, port, err := net.SplitHostPort(own)
	require.NoError(t, err)

	for _, host := range []string{own, "localhost:" + port} {
		status, body := ask(t, s, http.MethodGet, "/", host)
		require.Equal(t, http.StatusOK, status, body)
		require.Contains(t, body, "<html")
		status, body = ask(t, s, http.MethodGet, workflowPath, host)
		require.Equal(t, http.StatusOK, status, body)
		require.Contains(t, body, "payment/1")
	}
	status, settings := ask(t, s, http.MethodGet, "/api/v1/settings", own)
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, settings, `"DisableWriteActions":true`, "the page offers no buttons for it")

	for _, path := range []string{"/", workflowPath, namespacePath + "/workflows", workflowPath + "/history.json", "/healthz"} {
		status, body := ask(t, s, http.MethodGet, path, "rebound.example:"+port)
		require.Equal(t, http.StatusMisdirectedRequest, status, path)
		require.NotContains(t, body, "payment/1")
	}

	for path, method := range map[string]string{
		workflowPath + "/terminate":                  http.MethodPost,
		workflowPath + "/signal/done":                http.MethodPost,
		workflowPath + "/update/x":                   http.MethodPost,
		namespacePath + "/workflows/payment%2F2":     http.MethodPost,
		namespacePath + "/activities/x":              http.MethodPost,
		namespacePath + "/batch-operations/x":        http.MethodPost,
		namespacePath + "/schedules/x":               http.MethodDelete,
		namespacePath + "/update":                    http.MethodPost,
		"/api/v1/nexus/endpoints":                    http.MethodPost,
		namespacePath + "/workflows/payment%2F1?a=1": http.MethodDelete,
	} {
		status, body := ask(t, s, method, path, own)
		require.Equal(t, http.StatusMethodNotAllowed, status, "%s %s: %s", method, path, body)
	}
	awaitCount(t, c, "ExecutionStatus = 'Running'", 1)

	disconnect()
	stop(t, s)
	if conn, err := net.Dial("tcp", s.UIAddr()); err == nil {
		_ = conn.Close()
		t.Error("the UI still listens after Stop")
	}
}

func TestUIWriteActions(t *testing.T) {
	o := options(t)
	o.UIAddr, o.UIWriteActions = "127.0.0.1:0", true
	s := start(t, o)
	c, disconnect := connect(t, s)
	defer disconnect()
	execute(t, c, "payment/1", describe)
	status, _ := ask(t, s, http.MethodPost, workflowPath+"/terminate", "rebound.example")
	require.Equal(t, http.StatusMisdirectedRequest, status)
	awaitCount(t, c, "ExecutionStatus = 'Running'", 1)
	status, body := ask(t, s, http.MethodPost, workflowPath+"/terminate", s.UIAddr())
	require.Equal(t, http.StatusOK, status, body)
	awaitCount(t, c, "ExecutionStatus = 'Terminated'", 1)
}
