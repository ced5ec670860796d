package endtoend

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	centre "tolem/simulators/processing"
	"tolem/storage/privatepostgres/postgrestest"
)

// A worker killed between the partner's effect and our record: whatever the
// centre answers to a repeated check or pay, and even when a Cancel waits, the
// payment is neither refused nor cancelled, and the money moved once.
func TestWorkerKilledBetweenEffectAndRecord(t *testing.T) {
	for name, c := range map[string]struct {
		check, pay []centre.Answer
		cancel     bool
	}{
		"plain":            {},
		"155 to check":     {check: []centre.Answer{{Code: 155, Transient: true, Times: 9}}},
		"215 to pay":       {pay: []centre.Answer{{Code: 215, Transient: true}}},
		"202 to pay":       {pay: []centre.Answer{{Code: 202, Transient: true}}},
		"a cancel waiting": {cancel: true, check: []centre.Answer{{Code: 155, Transient: true, Times: 9}}, pay: []centre.Answer{{Code: 215, Transient: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := startInfra(t)
			user := i.caller()
			worker := i.worker()
			script(t, i.centre, "pay", centre.Answer{Fault: centre.Hang})
			id := user.pays("k").ID
			eventually(t, "the money moved", func() bool { return i.centre.Effects(number(t, id)) == 1 })
			worker.kill()
			require.Equal(t, "paying", user.reads(id).State)

			for call, answers := range map[string][]centre.Answer{"check": c.check, "pay": c.pay} {
				if len(answers) > 0 {
					script(t, i.centre, call, answers...)
				}
			}
			if c.cancel {
				require.NoError(t, i.temporal.CancelWorkflow(t.Context(), "payment/"+id, ""))
			}
			i.worker()

			user.finds(id, "succeeded")
			movedOnce(t, i.centre, id)
			require.Len(t, requests(t, i.centre, id, "check"), 1, "only the dead worker's")
			attempts := user.attempts(id)
			require.False(t, attempts[1].Reported, "the dead worker's pay")
			require.Equal(t, "recovery", attempts[2].Cause)
		})
	}
}

// A worker frozen in the middle of a pay, past every time-out, wakes after
// another has ended the payment: it changes nothing. The ledger is on PostgreSQL:
// frozen in a write of its housekeeping, the worker would keep SQLite's one lock from
// everybody for as long as the test waits.
func TestFrozenWorkerChangesNothing(t *testing.T) {
	t.Parallel()
	i := startInfraWith(t, map[string]string{"DATABASE_URL": postgrestest.ForTest(t)})
	user := i.caller()
	frozen := i.worker()
	script(t, i.centre, "pay", centre.Answer{Fault: centre.Delay, DelayMs: 1000, Code: 1})
	id := user.pays("k").ID
	eventually(t, "pay has arrived", func() bool { return len(requests(t, i.centre, id, "pay")) == 1 })
	frozen.signal(syscall.SIGSTOP)
	i.worker()
	user.finds(id, "succeeded")
	before, journal := user.reads(id), user.attempts(id)
	movedOnce(t, i.centre, id)

	frozen.signal(syscall.SIGCONT)
	frozen.terminate() // it drains: whatever it still wanted to write is written now
	require.Equal(t, before, user.reads(id))
	movedOnce(t, i.centre, id)
	require.Len(t, user.attempts(id), len(journal), "no new call")
}

// Three workers share the load of a storm; one is killed and started again, one
// leaves by SIGTERM. Every payment ends right, and the one that left finished
// what it had begun. The ledger is on PostgreSQL, as in production.
func TestWorkersShareAStorm(t *testing.T) {
	t.Parallel()
	i := startInfraWith(t, map[string]string{"DATABASE_URL": postgrestest.ForTest(t)})
	user := i.caller()
	for _, call := range []string{"check", "pay"} {
		require.NoError(t, i.centre.Storm(centre.Storm{Call: call, LostAnswer: 0.2, ResetBefore: 0.1, Seed: 7}))
	}
	leaves, dies := i.worker(), i.worker()
	i.worker()
	const payments = 150
	ids := make([]string, payments)
	for n := range payments {
		ids[n] = user.pays(fmt.Sprint("storm-", n)).ID
		switch n {
		case payments / 3:
			dies.kill()
			i.worker()
		case payments / 2:
			leaves.terminate()
		}
	}
	for _, id := range ids {
		user.finds(id, "succeeded")
		movedOnce(t, i.centre, id)
	}
	totals := i.centre.Totals()
	require.Equal(t, payments, totals.Executed)
}

// The same key after everything was started again is the same payment.
func TestKillTheWholeStack(t *testing.T) {
	t.Parallel()
	data := t.TempDir() + "/data"
	env := map[string]string{"RETRY_INITIAL": "500ms"}
	api, partners := freeAddress(t), freeAddress(t)
	args := []string{"--data", data, "--api-addr", api, "--temporal-addr", freeAddress(t), "--ui-addr", "", "--kafka-addr", freeAddress(t), "--simulators-addr", partners}
	stack := start(t, programs.stack, env, args...)
	eventually(t, "the API answers", func() bool { return answers("http://" + api + "/readyz") })
	control := &caller{t: t, api: "http://" + partners + "/processing/control"}
	status, answer := control.do(http.MethodPost, "/scripts", `{"call":"pay","answers":[{"fault":"lost_answer"},{"fault":"html_502","times":3}]}`, nil, nil)
	require.Less(t, status, 300, answer)

	user := &caller{t: t, api: "http://" + api, token: token(t, data)}
	id := user.pays("before").ID
	eventually(t, "the payment is retrying", func() bool { return user.reads(id).Attempts >= 3 })
	stack.kill()

	second := start(t, programs.stack, env, args...)
	eventually(t, "the API answers again", func() bool { return answers("http://" + api + "/readyz") })
	user.finds(id, "succeeded")
	require.Equal(t, id, user.pays("before").ID, "the same key is the same payment")
	var booked struct {
		Effects int    `json:"effects"`
		State   string `json:"state"`
	}
	status, answer = control.do(http.MethodGet, "/payments/"+id, "", nil, &booked)
	require.Equal(t, http.StatusOK, status, answer)
	require.Equal(t, 1, booked.Effects)

	other := start(t, programs.stack, env, append([]string{"--data", data}, args[2:]...)...)
	other.ends()
	require.Contains(t, other.output(), data, "a second stack on the directory is refused by name")
	busy := start(t, programs.stack, env, append([]string{"--ephemeral"}, args[2:]...)...)
	busy.ends()
	require.Contains(t, busy.output(), "in use", "a busy port is named")
	second.terminate()
}

// token is the development token that a stack keeps in its data directory.
func token(t *testing.T, data string) string {
	t.Helper()
	secret, err := os.ReadFile(filepath.Join(data, "secret"))
	require.NoError(t, err)
	return strings.TrimSpace(string(secret))
}
