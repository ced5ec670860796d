// Package loxon_test runs the producer of Loxon's events, and the simulated Loxon that
// reads them, against embedded brokers.
package loxon_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"tolem/domain"
	"tolem/partners/loxon"
	"tolem/stack/kafkabroker"
)

const topic = "loxon"

// limit bounds every wait; what is waited for takes milliseconds.
const limit = 60 * time.Second

func broker(t *testing.T, o kafkabroker.Options) *kafkabroker.Broker {
	t.Helper()
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	o.Topics = []string{topic}
	b, err := kafkabroker.Start(o)
	require.NoError(t, err)
	t.Cleanup(b.Stop)
	return b
}

func cluster(t *testing.T, options ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(options...)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func producer(t *testing.T, o loxon.Options) *loxon.Producer {
	t.Helper()
	if o.Topic == "" {
		o.Topic = topic
	}
	p, err := loxon.New(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

// message is the seq-th event of a contract; its bytes are the same every time.
func message(t *testing.T, contract string, seq int64) loxon.Message {
	t.Helper()
	value, err := loxon.Encode(loxon.Event{
		At: time.Date(2026, 3, 1, 12, 0, int(seq), 0, time.UTC), BIC: "HSBKKZKX", Contract: contract,
		Debt: 800001, Amount: 1000001, Paid: domain.Money(seq), Status: domain.StatusExecuted,
	})
	require.NoError(t, err)
	return loxon.Message{Key: contract, Value: value, EventID: fmt.Sprintf("%s/%d", contract, seq), Seq: seq, ProcessID: "paymentorder/" + contract}
}

// untilSent repeats a message as the workflow does: the same bytes, until it is stored.
func untilSent(t *testing.T, p *loxon.Producer, m loxon.Message) (receipt loxon.Receipt, attempts int) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	pause := time.NewTicker(5 * time.Millisecond)
	defer pause.Stop()
	for {
		receipt, err := p.Send(ctx, m)
		attempts++
		if err == nil {
			return receipt, attempts
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			t.Errorf("%s is not sent after %d attempts: %v", m.EventID, attempts, err)
			return receipt, attempts
		}
	}
}

// stored reads the topic from its beginning, n records, with another client.
func stored(t *testing.T, addr string, n int) []*kgo.Record {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	require.NoError(t, err)
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var records []*kgo.Record
	for len(records) < n {
		fetches := client.PollFetches(ctx)
		require.NoError(t, ctx.Err(), "%d of %d records", len(records), n)
		records = append(records, fetches.Records()...)
	}
	return records
}

func headers(r *kgo.Record) map[string]string {
	all := map[string]string{}
	for _, h := range r.Headers {
		all[h.Key] = string(h.Value)
	}
	return all
}

// inOrder checks that every contract has the events 1 to n in one partition, in order; an
// event may be there again, but not after a later one of its contract was new.
func inOrder(t *testing.T, records []*kgo.Record, contracts, n int) (repeated int) {
	t.Helper()
	last, partition := map[string]int{}, map[string]int32{}
	for _, r := range records {
		key := string(r.Key)
		if _, known := partition[key]; !known {
			partition[key] = r.Partition
		}
		require.Equal(t, partition[key], r.Partition, "%s changes its partition", key)
		switch headers(r)["event-id"] {
		case fmt.Sprintf("%s/%d", key, last[key]+1):
			last[key]++
		case fmt.Sprintf("%s/%d", key, last[key]):
			repeated++
		default:
			t.Fatalf("%s follows %d", headers(r)["event-id"], last[key])
		}
	}
	require.Len(t, last, contracts)
	for key, n2 := range last {
		require.Equal(t, n, n2, key)
	}
	return repeated
}
