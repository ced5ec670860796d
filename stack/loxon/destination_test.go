package loxon_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"tolem/partners/loxon"
	"tolem/stack/kafkabroker"
)

// A contract keeps its partition when the topic grows, also for a producer that does not know
// yet that it grew; the order of its events stays.
func TestGrowingTopic(t *testing.T) {
	const contracts = 8
	b := broker(t, kafkabroker.Options{Partitions: 4})
	early := producer(t, loxon.Options{Brokers: []string{b.Addr()}})
	first := map[string]loxon.Receipt{}
	for c := range contracts {
		key := fmt.Sprintf("КД-%d/26", c)
		partition, err := early.Destination(t.Context(), key, nil, nil)
		require.NoError(t, err)
		m := message(t, key, 1)
		m.Partition = &partition
		first[key], _ = untilSent(t, early, m)
		require.Equal(t, partition, first[key].Partition)
	}
	require.NoError(t, kafkabroker.Grow(b.Addr(), topic, 12))
	late := producer(t, loxon.Options{Brokers: []string{b.Addr()}})
	moves := 0
	for key, receipt := range first {
		free, err := late.Destination(t.Context(), key, nil, nil)
		require.NoError(t, err)
		if free != receipt.Partition {
			moves++
		}
		for seq, p := range []*loxon.Producer{late, early} {
			partition, err := p.Destination(t.Context(), key, &receipt.Partition, []loxon.Receipt{receipt})
			require.NoError(t, err)
			m := message(t, key, int64(seq)+2)
			m.Partition = &partition
			untilSent(t, p, m)
		}
	}
	require.Positive(t, moves, "no contract's hash picks another partition of 12 than of 4")
	require.Zero(t, inOrder(t, stored(t, b.Addr(), 3*contracts), contracts, 3))

	// A contract that began after the growth, in a partition that the early producer does not know.
	pinned := 11
	m := message(t, "KD-late", 1)
	m.Partition = &pinned
	receipt, _ := untilSent(t, late, m)
	partition, err := early.Destination(t.Context(), "KD-late", &pinned, []loxon.Receipt{receipt})
	require.NoError(t, err, "what a producer knows may be old")
	require.Equal(t, 11, partition)
}

// A topic that lacks what a broker acknowledged is found, and nothing is written to it.
func TestTopicThatLacksWhatItHeld(t *testing.T) {
	fill := func(t *testing.T, b *kafkabroker.Broker, partition, events int) (last loxon.Receipt) {
		t.Helper()
		p := producer(t, loxon.Options{Brokers: []string{b.Addr()}})
		for seq := range events {
			m := message(t, fmt.Sprintf("KD-%d-%d", partition, seq), 1)
			m.Partition = &partition
			last, _ = untilSent(t, p, m)
		}
		return last
	}
	for name, c := range map[string]struct {
		change func(t *testing.T, b *kafkabroker.Broker)
		pinned int
		want   string
	}{
		"recreated": {func(t *testing.T, b *kafkabroker.Broker) {
			require.NoError(t, kafkabroker.Recreate(b.Addr(), topic, 4))
		}, 3, "partition 3 ends at 0, and a broker had acknowledged offset 2"},
		"recreated with others": {func(t *testing.T, b *kafkabroker.Broker) {
			require.NoError(t, kafkabroker.Recreate(b.Addr(), topic, 4))
			fill(t, b, 3, 2)
		}, 3, "partition 3 ends at 2, and a broker had acknowledged offset 2"},
		"shrunk and filled": {func(t *testing.T, b *kafkabroker.Broker) {
			require.NoError(t, kafkabroker.Recreate(b.Addr(), topic, 3))
			fill(t, b, 0, 9)
		}, 3, "partition 3 is gone: there are 3"},
		"shrunk, for another": {func(t *testing.T, b *kafkabroker.Broker) {
			require.NoError(t, kafkabroker.Recreate(b.Addr(), topic, 1))
		}, -1, "partition 3 is gone: there are 1"},
	} {
		t.Run(name, func(t *testing.T) {
			b := broker(t, kafkabroker.Options{Partitions: 4})
			p := producer(t, loxon.Options{Brokers: []string{b.Addr()}})
			last := fill(t, b, 3, 3)
			pinned := &c.pinned
			if c.pinned < 0 {
				pinned = nil
			}
			_, err := p.Destination(t.Context(), "KD-1", pinned, []loxon.Receipt{last})
			require.NoError(t, err)
			c.change(t, b)
			var changed *loxon.TopicChanged
			for changed == nil { // while connections and leaders change it is a failure like any other
				_, err = p.Destination(t.Context(), "KD-1", pinned, []loxon.Receipt{last})
				require.Error(t, err)
				_ = errors.As(err, &changed)
			}
			require.Equal(t, c.want, changed.Evidence)
		})
	}
}

// A topic that does not exist at the moment is one that people may create: no change of it.
func TestDestinationWithoutTopic(t *testing.T) {
	b := broker(t, kafkabroker.Options{Partitions: 4})
	require.NoError(t, kafkabroker.Delete(b.Addr(), topic))
	p := producer(t, loxon.Options{Brokers: []string{b.Addr()}})
	pinned := 2
	_, err := p.Destination(t.Context(), "KD-1", &pinned, []loxon.Receipt{{Partition: 2, Offset: 7}})
	var failure *loxon.Failure
	require.ErrorAs(t, err, &failure)
	require.Equal(t, loxon.ReasonNoTopic, failure.Reason)
	require.False(t, failure.Final)
	b.Stop()
	_, err = p.Destination(t.Context(), "KD-1", &pinned, nil)
	require.ErrorAs(t, err, &failure)
	require.False(t, failure.Final)
}
