package endtoend

import (
	"flag"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/stack/kafkabroker"
)

// The size of TestLoxonIsAway; its long form is a task of its own.
var (
	loxonContracts = flag.Int("loxon.contracts", 40, "contracts of TestLoxonIsAway, six events each")
	loxonAway      = flag.Duration("loxon.away", 0, "how long the broker stays away after everything waits for it")
)

// attemptsPerSecond to tell an absent broker are what leaves Temporal on this one machine room
// for dossiers.
const attemptsPerSecond = 15

// eventsOf is how many events a contract has that was collected as collected says.
const eventsOf = 6

// collected has loans taken in, and reports each to be activated and executed in four parts,
// of which three are equal and told apart by their keys.
func (c *caller) collected(contracts []string) {
	c.t.Helper()
	loans := make([]string, len(contracts))
	for n, contract := range contracts {
		loans[n] = loanJSON(contract, 1000+n)
	}
	code, text := c.sendsLoans(loans...)
	require.Zero(c.t, code, text)
	for n, contract := range contracts {
		require.Equal(c.t, http.StatusCreated, c.reports(contract, "a", `{"status":"payment order activated"}`))
		for part := range 3 {
			require.Equal(c.t, http.StatusCreated, c.reports(contract, fmt.Sprint(part), `{"status":"payment order executed","paid_amount":300}`))
		}
		last := fmt.Sprintf(`{"status":"payment order executed","paid_amount":%d}`, 100+n)
		require.Equal(c.t, http.StatusCreated, c.reports(contract, "last", last))
	}
}

// toldAll waits until the ledger has every contract's events told, and asserts that the topic
// has them: no gap, no reordering, and what is there again is the same.
func (i *infra) toldAll(contracts []string) (events []toldEvent) {
	i.t.Helper()
	user := i.caller()
	for _, contract := range contracts {
		eventually(i.t, contract+" is told", func() bool { return user.toldOf(contract) == eventsOf })
	}
	events = i.told(len(contracts) * eventsOf)
	for n, contract := range contracts {
		require.Equal(i.t, []string{
			"request was sent 0", "payment order activated 0", "payment order executed 300", "payment order executed 600",
			"payment order executed 900", fmt.Sprintf("payment order executed %d", 1000+n),
		}, statusesOf(i.t, events, contract))
	}
	return events
}

// toldOf is how many of a contract's events the ledger has as told.
func (c *caller) toldOf(contract string) (count int) {
	c.t.Helper()
	var page struct {
		Items []struct{ Told *struct{ Offset int64 } }
	}
	status, raw := c.do(http.MethodGet, contractPath(contract)+"/events", "", nil, &page)
	require.Equal(c.t, http.StatusOK, status, raw)
	for _, e := range page.Items {
		if e.Told != nil {
			count++
		}
	}
	return count
}

// contractNames are n contracts' numbers, with a slash and a Cyrillic letter.
func contractNames(n int) (names []string) {
	for n := range n {
		names = append(names, fmt.Sprintf("Ә/%03d", n))
	}
	return names
}

// The broker is away while loans come in and are paid, and workers die while it is told
// afterwards: nothing is lost, skipped, reordered or changed, what is told twice is the same,
// and what waits takes no memory of the worker.
func TestLoxonIsAway(t *testing.T) {
	t.Parallel()
	options := kafkabroker.Options{DataDir: t.TempDir(), Addr: freeAddress(t), Topics: []string{"loxon"}, Partitions: 4}
	broker, err := kafkabroker.Start(options)
	require.NoError(t, err)
	broker.Stop()
	retryMax := time.Duration(max(1, *loxonContracts/attemptsPerSecond)) * time.Second
	i := startInfraWith(t, map[string]string{
		"KAFKA_BROKERS": options.Addr, "LOXON_TOPIC": "loxon", "RETRY_INITIAL": (retryMax / 8).String(), "COLLECTION_RETRY_MAX": retryMax.String(),
	})
	user := i.caller()
	worker := i.worker()
	contracts := contractNames(*loxonContracts)
	user.collected(contracts)
	for _, contract := range contracts {
		user.findsContract(contract, "executed")
	}
	worker.staysFlat(*loxonAway)
	worker.kill()
	worker = i.worker()

	broker, err = kafkabroker.Start(options)
	require.NoError(t, err)
	t.Cleanup(broker.Stop)
	for deaths := range 3 { // while it is being told
		require.NotEmpty(t, i.told(1+deaths*len(contracts)))
		worker.kill()
		worker = i.worker()
	}
	i.toldAll(contracts)
}

// memorySlack is what a garbage collector may leave for later.
const memorySlack = 32 << 20

// staysFlat watches a process for some time, and asserts that in the second half it holds no
// more memory than in the first one.
func (p *process) staysFlat(during time.Duration) {
	p.t.Helper()
	var resident []int
	for began := time.Now(); time.Since(began) < during; <-time.After(time.Second) {
		out, err := exec.CommandContext(p.t.Context(), "ps", "-o", "rss=", "-p", strconv.Itoa(p.cmd.Process.Pid)).Output()
		require.NoError(p.t, err)
		kilobytes, err := strconv.Atoi(strings.TrimSpace(string(out)))
		require.NoError(p.t, err)
		resident = append(resident, kilobytes<<10)
	}
	if len(resident) < 2 {
		return
	}
	half := len(resident) / 2
	before, after := slices.Max(resident[:half]), slices.Max(resident[half:])
	p.t.Logf("%s: at most %d MiB in the first half of %s, %d MiB in the second", p.name, before>>20, during, after>>20)
	require.LessOrEqual(p.t, after, before+memorySlack)
}
