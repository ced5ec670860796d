package loxon_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"tolem/partners/loxon"
	simulated "tolem/simulators/loxon"
	"tolem/stack/kafkabroker"
)

func consumer(t *testing.T, addr string) *simulated.Consumer {
	t.Helper()
	c, err := simulated.New(simulated.Options{Brokers: []string{addr}, Topic: topic, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, limit, 5*time.Millisecond)
}

// Loxon may be there before its broker, reads what was sent before it came and what comes
// later, finds nothing wrong, stands a broker that starts again, and has the same books
// after a start of its own.
func TestSimulatedLoxon(t *testing.T) {
	const contracts, events = 30, 10
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := listener.Addr().String()
	require.NoError(t, listener.Close())
	early := consumer(t, addr)

	dir := t.TempDir()
	b := broker(t, kafkabroker.Options{Addr: addr, DataDir: dir, Partitions: 5})
	p := producer(t, loxon.Options{Brokers: []string{addr}})
	send := func(from, to int64) {
		var sent sync.WaitGroup
		for k := range contracts {
			sent.Go(func() {
				for seq := from; seq <= to; seq++ {
					untilSent(t, p, message(t, fmt.Sprintf("КД-%d/26", k), seq))
				}
			})
		}
		sent.Wait()
	}
	read := func(c *simulated.Consumer, each int64) {
		t.Helper()
		eventually(t, func() bool { s := c.Summary(); return s.Messages-s.Duplicates == contracts*int(each) })
		s := c.Summary()
		require.Empty(t, c.Faults())
		require.Equal(t, []any{topic, 5, contracts, int64(0), int64(0)}, []any{s.Topic, s.Partitions, s.Contracts, s.Gaps, s.Lag})
	}
	send(1, events)
	read(early, events)
	late := consumer(t, addr)
	read(late, events)

	b.Stop()
	broker(t, kafkabroker.Options{Addr: addr, DataDir: dir})
	send(events+1, 2*events)
	read(early, 2*events)
	read(late, 2*events)
	books, ok := late.Contract("КД-7/26")
	require.True(t, ok)
	require.Len(t, books.Events, 2*events)
	for i, e := range books.Events {
		require.Equal(t, int64(i+1), e.Seq)
		require.Equal(t, fmt.Sprintf("КД-7/26/%d", i+1), e.ID)
		require.Equal(t, "8000.01", e.Debt.String())
		require.Equal(t, "paymentorder/КД-7/26", e.ProcessID)
	}
	again := consumer(t, addr)
	read(again, 2*events)
	require.Equal(t, asJSON(t, early, contracts), asJSON(t, again, contracts))
}

func asJSON(t *testing.T, c *simulated.Consumer, contracts int) string {
	t.Helper()
	all := []any{c.Contracts()}
	for k := range contracts {
		books, ok := c.Contract(fmt.Sprintf("КД-%d/26", k))
		require.True(t, ok)
		all = append(all, books)
	}
	text, err := json.Marshal(all)
	require.NoError(t, err)
	return string(text)
}

// What is sent twice is a duplicate; what another client writes is checked as ours is.
func TestSimulatedLoxonFindsFaults(t *testing.T) {
	b := broker(t, kafkabroker.Options{Partitions: 3})
	c := consumer(t, b.Addr())
	p := producer(t, loxon.Options{Brokers: []string{b.Addr()}})
	for _, seq := range []int64{1, 1, 3} {
		receipt, err := p.Send(t.Context(), message(t, "KD1", seq))
		require.NoError(t, err)
		eventually(t, func() bool {
			books, _ := c.Contract("KD1")
			return len(books.Events) > 0 && (books.Events[len(books.Events)-1].Seq == seq) && books.Partition == receipt.Partition
		})
	}
	other, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.DefaultProduceTopic(topic))
	require.NoError(t, err)
	defer other.Close()
	require.NoError(t, other.ProduceSync(t.Context(), &kgo.Record{Key: []byte("KD2"), Value: []byte(`{"debt":"1"}`)}).FirstErr())
	eventually(t, func() bool { return c.Summary().Messages == 4 })
	s := c.Summary()
	require.Equal(t, []any{2, 1, int64(1)}, []any{s.Contracts, s.Duplicates, s.Gaps})
	count := map[string]int{}
	for _, f := range c.Faults() {
		count[f.Contract+" "+f.Kind]++
	}
	// debt is not a number, and six other fields are missing
	require.Equal(t, map[string]int{"KD1 gap": 1, "KD2 message": 7, "KD2 header": 2}, count)
}
