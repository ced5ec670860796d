package loxon_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tolem/partners/call"
	"tolem/partners/loxon"
	"tolem/stack/kafkabroker"
)

// Every message is stored once, in order, with its headers, where its receipt says and
// where Java's partitioner would put it.
func TestSend(t *testing.T) {
	const contracts, events = 100, 20
	b := broker(t, kafkabroker.Options{Partitions: 7})
	p := producer(t, loxon.Options{Brokers: []string{b.Addr()}})
	require.NoError(t, p.Probe(t.Context()))

	var sent sync.WaitGroup
	var mu sync.Mutex
	receipts := map[loxon.Receipt]loxon.Message{}
	for c := range contracts {
		contract := fmt.Sprintf("КД-%d/26", c)
		sent.Go(func() {
			for seq := range int64(events) {
				m := message(t, contract, seq+1)
				receipt, err := p.Send(t.Context(), m)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				receipts[receipt] = m
				mu.Unlock()
			}
		})
	}
	sent.Wait()
	require.Len(t, receipts, contracts*events)
	records := stored(t, b.Addr(), contracts*events)
	require.Len(t, records, contracts*events)
	require.Zero(t, inOrder(t, records, contracts, events))
	java := kgo.StickyKeyPartitioner(nil).ForTopic(topic)
	for _, r := range records {
		m := receipts[loxon.Receipt{Partition: int(r.Partition), Offset: r.Offset}]
		require.Equal(t, m.Key, string(r.Key))
		require.Equal(t, string(m.Value), string(r.Value))
		require.Equal(t, map[string]string{"event-id": m.EventID, "event-seq": strconv.FormatInt(m.Seq, 10), "process-id": m.ProcessID}, headers(r))
		require.Equal(t, java.Partition(r, 7), int(r.Partition))
	}
}

// An event that came while somebody traced names its trace, the same whenever it is sent.
func TestSendNamesTheTrace(t *testing.T) {
	b := broker(t, kafkabroker.Options{})
	p := producer(t, loxon.Options{Brokers: []string{b.Addr()}})
	m := message(t, "KD1", 1)
	m.Traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for range 2 {
		_, err := p.Send(t.Context(), m)
		require.NoError(t, err)
	}
	for _, r := range stored(t, b.Addr(), 2) {
		require.Equal(t, map[string]string{"event-id": "KD1/1", "event-seq": "1", "process-id": m.ProcessID, "traceparent": m.Traceparent}, headers(r))
	}
}

// While leaders move, repeating loses nothing and keeps the order.
func TestLeaderMoves(t *testing.T) {
	const contracts, events, partitions = 20, 30, 3
	c := cluster(t, kfake.NumBrokers(3), kfake.SeedTopics(partitions, topic))
	p := producer(t, loxon.Options{Brokers: c.ListenAddrs()})
	var sent sync.WaitGroup
	var mu sync.Mutex
	attempts := 0
	for k := range contracts {
		sent.Go(func() {
			for seq := range int64(events) {
				_, n := untilSent(t, p, message(t, fmt.Sprintf("KD%d", k), seq+1))
				mu.Lock()
				attempts += n
				if attempts%10 == 0 {
					moved := int32(attempts / 10 % partitions)
					if err := c.MoveTopicPartition(topic, moved, (c.LeaderFor(topic, moved)+1)%3); err != nil {
						t.Error(err)
					}
				}
				mu.Unlock()
			}
		})
	}
	sent.Wait()
	require.Greater(t, attempts, contracts*events, "no send met a moved leader")
	repeated := inOrder(t, stored(t, c.ListenAddrs()[0], contracts*events), contracts, events)
	t.Logf("%d attempts, %d stored again", attempts, repeated)
}

// A broker that stops and starts again on the same data costs repeats, nothing else.
func TestBrokerStartsAgain(t *testing.T) {
	const contracts, events = 10, 40
	dir := t.TempDir()
	first := broker(t, kafkabroker.Options{DataDir: dir, Partitions: 3})
	addr := first.Addr()
	p := producer(t, loxon.Options{Brokers: []string{addr}})
	var sent sync.WaitGroup
	half, failed := make(chan bool, contracts), make(chan bool, contracts)
	for k := range contracts {
		sent.Go(func() {
			for seq := range int64(events) {
				m := message(t, fmt.Sprintf("KD%d", k), seq+1)
				if seq == events/2 {
					half <- true
					for { // until the broker is gone
						if _, err := p.Send(t.Context(), m); err != nil {
							break
						}
					}
					failed <- true
				}
				untilSent(t, p, m)
			}
		})
	}
	for range contracts {
		<-half
	}
	first.Stop()
	for range contracts {
		<-failed
	}
	broker(t, kafkabroker.Options{DataDir: dir, Addr: addr})
	sent.Wait()
	inOrder(t, stored(t, addr, contracts*events), contracts, events)
}

// A context that has ended sends nothing at all.
func TestEndedContextStoresNothing(t *testing.T) {
	b := broker(t, kafkabroker.Options{})
	p := producer(t, loxon.Options{Brokers: []string{b.Addr()}})
	_, err := p.Send(t.Context(), message(t, "KD0", 1)) // connected
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		_, err := p.Send(ctx, message(t, "KD1", 1))
		var f *loxon.Failure
		require.ErrorAs(t, err, &f)
		require.Equal(t, &loxon.Failure{Reason: call.ReasonCancelled, Err: context.Canceled}, f)
	}
	require.NoError(t, p.Close()) // and what is under way has ended
	_, err = producer(t, loxon.Options{Brokers: []string{b.Addr()}}).Send(t.Context(), message(t, "KD2", 1))
	require.NoError(t, err)
	require.Len(t, stored(t, b.Addr(), 2), 2)
}

// The broker's "too large" is final for a message that was alone, and for no other; other
// codes never are.
func TestBrokerRefuses(t *testing.T) {
	c := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	p := producer(t, loxon.Options{Brokers: c.ListenAddrs()})
	for _, refusal := range []struct {
		code   *kerr.Error
		reason string
		final  bool
	}{
		{kerr.MessageTooLarge, loxon.ReasonTooLarge, true}, {kerr.RecordListTooLarge, loxon.ReasonBroker, false},
		{kerr.TopicAuthorizationFailed, loxon.ReasonDenied, false}, {kerr.NotEnoughReplicas, loxon.ReasonNotReady, false},
		{kerr.NotLeaderForPartition, loxon.ReasonNotReady, false}, {kerr.UnknownTopicOrPartition, loxon.ReasonNoTopic, false},
		{kerr.RequestTimedOut, call.ReasonTimeout, false}, {kerr.UnknownServerError, loxon.ReasonBroker, false},
	} {
		c.ControlKey(kmsg.Produce.Int16(), refuse(refusal.code))
		_, err := p.Send(t.Context(), message(t, "KD1", 1))
		var f *loxon.Failure
		require.ErrorAs(t, err, &f)
		require.Equal(t, refusal.reason, f.Reason)
		require.Equal(t, refusal.final, f.Final)
	}
	_, err := p.Send(t.Context(), message(t, "KD1", 1))
	require.NoError(t, err)
}

// refuse answers one request to write with a code, for each of its partitions.
func refuse(code *kerr.Error) func(kmsg.Request) (kmsg.Response, error, bool) {
	return func(r kmsg.Request) (kmsg.Response, error, bool) {
		request := r.(*kmsg.ProduceRequest)
		response := request.ResponseKind().(*kmsg.ProduceResponse)
		for _, t := range request.Topics {
			answer := kmsg.NewProduceResponseTopic()
			answer.Topic = t.Topic
			for _, p := range t.Partitions {
				partition := kmsg.NewProduceResponseTopicPartition()
				partition.Partition, partition.ErrorCode = p.Partition, code.Code
				answer.Partitions = append(answer.Partitions, partition)
			}
			response.Topics = append(response.Topics, answer)
		}
		return response, nil, true
	}
}

// A batch that is too large says nothing about any one of its messages.
func TestTooLargeTogether(t *testing.T) {
	c := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	p := producer(t, loxon.Options{Brokers: c.ListenAddrs()})
	var batches, final atomic.Int64
	c.ControlKey(kmsg.Produce.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		batches.Add(1)
		c.KeepControl()
		return refuse(kerr.MessageTooLarge)(r)
	})
	var sent sync.WaitGroup
	const messages = 90
	for k := range messages {
		m := message(t, fmt.Sprintf("KD%d", k), 1)
		sent.Go(func() {
			_, err := p.Send(t.Context(), m)
			var f *loxon.Failure
			if !errors.As(err, &f) || f.Reason != loxon.ReasonTooLarge {
				t.Error(err)
			} else if f.Final {
				final.Add(1)
			}
		})
	}
	sent.Wait()
	require.Less(t, batches.Load(), int64(messages), "no two messages were in one batch")
	require.Less(t, final.Load(), batches.Load()) // at most those that were alone, and one batch was larger
}
