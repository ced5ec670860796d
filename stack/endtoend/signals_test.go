package endtoend

import (
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// After SIGTERM an API says that it leaves while it still serves: whoever routes to it must see
// the one before the other stops. A second signal ends the wait.
func TestTerminatedAPIServesUntilItIsLeft(t *testing.T) {
	t.Parallel()
	i := startInfraWith(t, map[string]string{"DRAIN_DELAY": "5m"}) // longer than the test
	user := i.caller()
	eventually(t, "the API is ready", func() bool { return answers(i.url() + "/readyz") })
	i.api.signal(syscall.SIGTERM)
	eventually(t, "the API says that it leaves", func() bool {
		status, answer := user.do(http.MethodGet, "/readyz", "", nil, nil)
		return status == http.StatusServiceUnavailable && strings.Contains(answer, "serving: no longer")
	})
	late := user.pays("late")
	require.Equal(t, late.ID, user.reads(late.ID).ID)
	i.api.terminate()
	require.Contains(t, i.api.output(), "stopping")

	i.startAPI()
	worker := i.worker()
	user.finds(late.ID, "succeeded")
	movedOnce(t, i.centre, late.ID)
	worker.terminate()
}

// SIGHUP, which a closed terminal sends too, ends no process.
func TestHangupEndsNothing(t *testing.T) {
	t.Parallel()
	i := startInfra(t)
	user := i.caller()
	worker := i.worker()
	serve := i.in(t)
	serve.env = map[string]string{}
	for name, value := range i.env {
		serve.env[name] = value
	}
	serve.env["API_ADDR"] = freeAddress(t)
	both := start(t, programs.tolem, serve.env, "serve")
	stackAPI := freeAddress(t)
	stack := start(t, programs.stack, nil, "--ephemeral", "--api-addr", stackAPI, "--temporal-addr", freeAddress(t), "--ui-addr", "",
		"--kafka-addr", freeAddress(t), "--simulators-addr", freeAddress(t))
	for _, url := range []string{i.url(), serve.url(), "http://" + stackAPI} {
		eventually(t, url+" is ready", func() bool { return answers(url + "/readyz") })
	}
	user.finds(user.pays("before").ID, "succeeded") // the worker works

	for _, p := range []*process{i.api, worker, both, stack} {
		p.signal(syscall.SIGHUP)
	}
	both.terminate() // so that the next payment is the worker's
	require.True(t, answers("http://"+stackAPI+"/livez"))
	user.finds(user.pays("after").ID, "succeeded")
	for _, p := range []*process{worker, i.api, stack} {
		p.terminate()
	}
}
