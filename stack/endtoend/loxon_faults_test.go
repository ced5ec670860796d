package endtoend

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const loxonPartitions = 4

// loxonCluster is three brokers in the test's process, whose requests it can see.
func loxonCluster(t *testing.T) (*kfake.Cluster, *infra) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(loxonPartitions, "loxon"))
	require.NoError(t, err)
	t.Cleanup(cluster.Close)
	i := startInfraWith(t, map[string]string{
		"KAFKA_BROKERS": strings.Join(cluster.ListenAddrs(), ","), "LOXON_TOPIC": "loxon", "COLLECTION_RETRY_MAX": "300ms",
	})
	return cluster, i
}

// Partitions change their leaders while whole processes tell Loxon: what meets a broker that
// leads no more is told again, in order, with the same bytes.
func TestLeadersMove(t *testing.T) {
	t.Parallel()
	cluster, i := loxonCluster(t)
	var produced atomic.Int64
	move := make(chan int64, 1000)
	cluster.ControlKey(kmsg.Produce.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		if n := produced.Add(1); n%3 == 0 {
			move <- n
		}
		return nil, nil, false // it only counts
	})
	moved := make(chan int, 1)
	go func() {
		moves := 0
		for n := range move {
			partition := int32(n / 3 % loxonPartitions)
			if err := cluster.MoveTopicPartition("loxon", partition, (cluster.LeaderFor("loxon", partition)+1)%3); err == nil {
				moves++
			}
		}
		moved <- moves
	}()
	i.worker()
	user := i.caller()
	contracts := contractNames(20)
	user.collected(contracts)
	i.toldAll(contracts)
	close(move)
	require.Greater(t, <-moved, 10)
	failed := 0
	for _, contract := range contracts {
		_, raw := user.do(http.MethodGet, contractPath(contract)+"/attempts?limit=100", "", nil, nil)
		failed += strings.Count(raw, `"not_ready"`)
	}
	require.Positive(t, failed, "no event met a broker that leads no more")
	t.Logf("%d requests to write, %d events met a broker that leads no more", produced.Load(), failed)
}

// A worker dies after the broker has an event and before our record of it: the event is told
// again, with the same id and the same bytes.
func TestWorkerKilledBetweenProduceAndRecord(t *testing.T) {
	t.Parallel()
	cluster, i := loxonCluster(t)
	dies := i.worker()
	user := i.caller()
	died := make(chan struct{})
	cluster.ControlKey(kmsg.Produce.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		dies.kill()
		cluster.DropControl()
		close(died)
		return nil, nil, false // the broker stores it all the same, and answers the dead
	})
	code, text := user.sendsLoans(loanJSON("KD-died", 1000))
	require.Zero(t, code, text)
	<-died
	before := i.told(1)
	require.Zero(t, user.toldOf("KD-died"))
	i.worker()
	eventually(t, "it is told", func() bool { return user.toldOf("KD-died") == 1 })
	again := i.told(2)
	require.Len(t, again, 2)
	require.Equal(t, before[0], again[0])
	require.Equal(t, again[0], again[1])
	require.Equal(t, "KD-died/1", again[0].id)
}
