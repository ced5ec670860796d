package endtoend

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"tolem/stack/kafkabroker"
)

// ownBroker is the embedded broker with Loxon's topic, under whole processes.
func ownBroker(t *testing.T, partitions int32) (string, *infra) {
	t.Helper()
	b, err := kafkabroker.Start(kafkabroker.Options{DataDir: t.TempDir(), Addr: "127.0.0.1:0", Topics: []string{"loxon"}, Partitions: partitions})
	require.NoError(t, err)
	t.Cleanup(b.Stop)
	return b.Addr(), startInfraWith(t, map[string]string{"KAFKA_BROKERS": b.Addr(), "LOXON_TOPIC": "loxon", "COLLECTION_RETRY_MAX": "300ms"})
}

// partitionsOf reads how many events of each contract which partition holds, with a client that
// is not ours.
func (i *infra) partitionsOf(events int) map[string]map[int32]int {
	i.t.Helper()
	reader, err := kgo.NewClient(kgo.SeedBrokers(i.env["KAFKA_BROKERS"]), kgo.ConsumeTopics("loxon"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	require.NoError(i.t, err)
	defer reader.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	found := map[string]map[int32]int{}
	for n := 0; n < events; {
		fetched := reader.PollFetches(ctx)
		require.NoError(i.t, ctx.Err(), "%d of %d events", n, events)
		fetched.EachRecord(func(r *kgo.Record) {
			if found[string(r.Key)] == nil {
				found[string(r.Key)] = map[int32]int{}
			}
			found[string(r.Key)][r.Partition]++
			n++
		})
	}
	return found
}

// begins has one batch of loans taken in, and waits until Loxon was told of each.
func (c *caller) begins(contracts ...string) {
	c.t.Helper()
	var loans []string
	for _, contract := range contracts {
		loans = append(loans, loanJSON(contract, 1000))
	}
	code, text := c.sendsLoans(loans...)
	require.Zero(c.t, code, text)
	for _, contract := range contracts {
		eventually(c.t, contract+" is told", func() bool { return c.toldOf(contract) == 1 })
	}
}

// Loxon's topic grows from 4 to 12 partitions between the events of running contracts, and the
// worker is replaced by one that knows only the grown topic: each contract keeps the partition
// of its first event, and new contracts use the new ones.
func TestTopicGrows(t *testing.T) {
	t.Parallel()
	addr, i := ownBroker(t, 4)
	old := i.worker()
	user := i.caller()
	contracts := contractNames(8)
	user.begins(contracts...)
	require.NoError(t, kafkabroker.Grow(addr, "loxon", 12))
	reports := func(key, body string) {
		for _, contract := range contracts {
			require.Equal(t, http.StatusCreated, user.reports(contract, key, body))
		}
	}
	reports("a", `{"status":"payment order activated"}`)
	old.kill()
	i.worker()
	reports("e", `{"status":"payment order executed","paid_amount":300}`)
	for _, contract := range contracts {
		eventually(t, contract+" is told", func() bool { return user.toldOf(contract) == 3 })
	}
	var later []string
	for n := range 8 {
		later = append(later, fmt.Sprintf("later/%02d", n))
	}
	user.begins(later...)
	grown := false
	for contract, partitions := range i.partitionsOf(3*len(contracts) + len(later)) {
		require.Len(t, partitions, 1, "%s is in several partitions: %v", contract, partitions)
		for partition := range partitions {
			grown = grown || partition >= 4
		}
	}
	require.True(t, grown, "no new contract is in a new partition")
}

// Loxon's topic is deleted and created with fewer partitions: nothing is sent to it, also nothing
// of a new contract, until a person has closed an incident; then everything goes on.
func TestTopicIsRecreated(t *testing.T) {
	t.Parallel()
	addr, i := ownBroker(t, 4)
	i.worker()
	user := i.caller()
	contracts := contractNames(4)
	user.begins(contracts...)
	require.NoError(t, kafkabroker.Recreate(addr, "loxon", 2))
	code, text := user.sendsLoans(loanJSON("KD-new", 500))
	require.Zero(t, code, text)
	for _, contract := range contracts {
		require.Equal(t, http.StatusCreated, user.reports(contract, "a", `{"status":"payment order activated"}`))
	}
	all := append(contracts, "KD-new")
	for n, contract := range all {
		eventually(t, "a person is asked to look at "+contract, func() bool { return user.readsContract(contract).Reason == "topic_changed" })
		require.Equal(t, http.StatusOK, user.actsOnContract(contract, "retry", fmt.Sprint("r", n)))
	}
	var page struct {
		Items []struct {
			ID string
		}
	}
	status, raw := user.do(http.MethodGet, "/v1/incidents?reason=topic_changed", "", nil, &page)
	require.Equal(t, http.StatusOK, status, raw)
	require.Len(t, page.Items, len(all), raw)
	require.Zero(t, user.toldOf("KD-new"))
	for _, contract := range contracts {
		require.Equal(t, 1, user.toldOf(contract), "nothing is sent")
	}
	status, raw = user.do(http.MethodPost, fmt.Sprintf("/v1/incidents/%s/close", page.Items[0].ID), `{"reason":"Loxon emptied the topic"}`,
		map[string]string{"Idempotency-Key": "close"}, nil)
	require.Equal(t, http.StatusOK, status, raw)
	for _, contract := range contracts {
		eventually(t, contract+" is told", func() bool { return user.toldOf(contract) == 2 })
	}
	eventually(t, "the new contract is told", func() bool { return user.toldOf("KD-new") == 1 })
	for _, contract := range all {
		require.False(t, user.readsContract(contract).NeedsOperator, contract)
	}
	for contract, partitions := range i.partitionsOf(len(all)) {
		require.Len(t, partitions, 1, contract)
	}
}
