package endtoend

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"tolem/stack/kafkabroker"
)

// The broker is away while loans come in and are paid, and workers die while it is told
// afterwards: nothing is lost, skipped, reordered or changed, and what is told twice is the
// same.
func TestLoxonIsAway(t *testing.T) {
	t.Parallel()
	options := kafkabroker.Options{DataDir: t.TempDir(), Addr: freeAddress(t), Topics: []string{"loxon"}, Partitions: 4}
	broker, err := kafkabroker.Start(options)
	require.NoError(t, err)
	broker.Stop()
	i := startInfraWith(t, map[string]string{"KAFKA_BROKERS": options.Addr, "LOXON_TOPIC": "loxon", "COLLECTION_RETRY_MAX": "1s"})
	user := i.caller()
	worker := i.worker()

	const contracts = 40
	name := func(n int) string { return fmt.Sprintf("Ә/%02d", n) }
	loans := make([]string, contracts)
	for n := range loans {
		loans[n] = loanJSON(name(n), 1000+n)
	}
	code, text := user.sendsLoans(loans...)
	require.Zero(t, code, text)
	for n := range contracts {
		for key, body := range map[string]string{"a": `{"status":"payment order activated"}`} {
			require.Equal(t, http.StatusCreated, user.reports(name(n), key, body))
		}
		for part := range 3 { // equal executions, told apart by their keys
			require.Equal(t, http.StatusCreated, user.reports(name(n), fmt.Sprint(part), `{"status":"payment order executed","paid_amount":300}`))
		}
		last := fmt.Sprintf(`{"status":"payment order executed","paid_amount":%d}`, 100+n)
		require.Equal(t, http.StatusCreated, user.reports(name(n), "last", last))
	}
	for n := range contracts {
		user.findsContract(name(n), "executed")
	}
	worker.kill()
	worker = i.worker()

	broker, err = kafkabroker.Start(options)
	require.NoError(t, err)
	t.Cleanup(broker.Stop)
	for deaths := range 3 { // while it is being told
		require.NotEmpty(t, i.told(1+deaths*contracts))
		worker.kill()
		worker = i.worker()
	}
	told := func(n int) int {
		var page struct {
			Items []struct{ Told *struct{ Offset int64 } }
		}
		status, raw := user.do(http.MethodGet, contractPath(name(n))+"/events", "", nil, &page)
		require.Equal(t, http.StatusOK, status, raw)
		count := 0
		for _, e := range page.Items {
			if e.Told != nil {
				count++
			}
		}
		return count
	}
	for n := range contracts {
		eventually(t, name(n)+" is told", func() bool { return told(n) == 6 })
	}
	events := i.told(contracts * 6)
	for n := range contracts {
		require.Equal(t, []string{
			"request was sent 0", "payment order activated 0", "payment order executed 300", "payment order executed 600",
			"payment order executed 900", fmt.Sprintf("payment order executed %d", 1000+n),
		}, statusesOf(t, events, name(n)))
	}
}
