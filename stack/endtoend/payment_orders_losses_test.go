package endtoend

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tolem/simulators/abs"
)

// Temporal's database is deleted under payment orders: one that ABS does not answer for, one
// that an operator holds, one that has been sent and one that has ended. The sweep starts
// what is open from the ledger, and Loxon is told of everything once.
func TestTemporalsDatabaseDeletedUnderPaymentOrders(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data")
	environment := map[string]string{"API_ADDR": freeAddress(t), "COLLECTION_RETRY_MAX": "1s"}
	i, stop := reopened(t, path, environment)
	user := i.caller()
	code, text := user.sendsLoans(loanJSON("KD/sent", 1000), loanJSON("KD/ended", 1000))
	require.Zero(t, code, text)
	user.findsContract("KD/sent", "sent")
	user.findsContract("KD/ended", "sent")
	require.Equal(t, http.StatusCreated, user.reports("KD/ended", "n", `{"status":"payment order not accepted"}`))
	system := i.stack.Partners().ABS
	require.NoError(t, system.Script(abs.Script{Call: abs.CallAccounts, Answers: []abs.Answer{{Fault: abs.HTML502, Times: 1000}}}))
	code, text = user.sendsLoans(loanJSON("KD/gathering", 1000), loanJSON("KD/held", 1000))
	require.Zero(t, code, text)
	eventually(t, "three parts are there", func() bool { return user.got("KD/gathering") == 3 && user.got("KD/held") == 3 })
	require.Equal(t, http.StatusOK, user.actsOnContract("KD/held", "hold", "h"))
	require.Equal(t, http.StatusCreated, user.reports("KD/gathering", "early", `{"status":"request confirmed"}`))
	eventually(t, "the end is told", func() bool { return user.toldOf("KD/ended") == 2 })
	stop()
	require.NoError(t, os.RemoveAll(filepath.Join(path, "temporal")))

	i, stop = reopened(t, path, environment)
	defer stop()
	i.env["KAFKA_BROKERS"] = i.stack.Env["KAFKA_BROKERS"]
	user = i.caller()
	require.NoError(t, i.stack.Partners().ABS.ClearScripts())
	user.findsContract("KD/gathering", "confirmed")
	require.Equal(t, http.StatusCreated, user.reports("KD/sent", "a", `{"status":"payment order activated"}`))
	eventually(t, "the sent one goes on", func() bool { return user.toldOf("KD/sent") == 2 })
	held := user.readsContract("KD/held")
	require.Equal(t, "gathering", held.State)
	require.Equal(t, 3, user.got("KD/held"), "nobody asked for the held one")
	require.Equal(t, http.StatusOK, user.actsOnContract("KD/held", "release", "r"))
	user.findsContract("KD/held", "sent")
	for contract, statuses := range map[string][]string{
		"KD/sent": {"request was sent 0", "payment order activated 0"}, "KD/ended": {"request was sent 0", "payment order not accepted 0"},
		"KD/gathering": {"request was sent 0", "request confirmed 0"}, "KD/held": {"request was sent 0"},
	} {
		eventually(t, contract+" is told", func() bool { return user.toldOf(contract) == len(statuses) })
		require.Equal(t, statuses, statusesOf(t, i.told(7), contract))
	}
}

// got is how many parts of a contract's dossier are there.
func (c *caller) got(contract string) (parts int) {
	c.t.Helper()
	for _, p := range c.readsContract(contract).Dossier {
		if p.State == "got" {
			parts++
		}
	}
	return parts
}

// A contract whose payment order ended returns, corrected on the same day or on another day: a
// new payment order, with references of its own, and events that go on counting.
func TestContractReturns(t *testing.T) {
	t.Parallel()
	i := startInfraWith(t, map[string]string{"TIMEZONE": "Etc/GMT+12"}) // the last place where a day ends
	i.worker()
	user := i.caller()
	// 26 hours ahead, always another day: a ledger has one time zone, which somebody changes here
	ahead := maps.Clone(i.env)
	ahead["TIMEZONE"] = "Pacific/Kiritimati"
	out, exit := run(t, programs.tolem, ahead, "api")
	require.NotZero(t, exit)
	require.Contains(t, out, "the days of this ledger are kept in Etc/GMT+12")
	out, exit = run(t, programs.tolem, ahead, "migrate", "--timezone")
	require.Zero(t, exit, out)
	require.Contains(t, out, "days are kept in Pacific/Kiritimati from now on; before: Etc/GMT+12")
	tomorrow := i.otherAPI(map[string]string{"TIMEZONE": ahead["TIMEZONE"]})
	loan := loanJSON("KD/returns", 1000)
	code, text := user.sendsLoans(loan)
	require.Zero(t, code, text)
	first := user.findsContract("KD/returns", "sent")
	require.Equal(t, http.StatusCreated, user.reports("KD/returns", "n", `{"status":"payment order not accepted"}`))
	user.findsContract("KD/returns", "not_accepted")

	code, text = user.sendsLoans(loan, loanJSON("KD/other", 1)) // unchanged, it begins nothing on the same day
	require.Zero(t, code, text)
	require.Equal(t, first.Reference, user.readsContract("KD/returns").Reference)
	code, text = user.sendsLoans(loanJSON("KD/returns", 1001))
	require.Zero(t, code, text)
	second := user.findsContract("KD/returns", "sent")
	require.NotEqual(t, first.Reference, second.Reference)
	require.Equal(t, http.StatusCreated, user.reports("KD/returns", "n2", `{"status":"payment order not accepted"}`))
	user.findsContract("KD/returns", "not_accepted")
	code, text = tomorrow.sendsLoans(loan)
	require.Zero(t, code, text)
	third := user.findsContract("KD/returns", "sent")
	require.NotContains(t, []string{first.Reference, second.Reference}, third.Reference)
	eventually(t, "it is told", func() bool { return user.toldOf("KD/returns") == 5 })
	require.Equal(t, []string{
		"request was sent 0", "payment order not accepted 0", "request was sent 0", "payment order not accepted 0", "request was sent 0",
	}, statusesOf(t, i.told(6), "KD/returns"))
}
