package loxon

import (
	"context"
	"fmt"

	"github.com/segmentio/kafka-go"

	"tolem/partners/call"
)

// ReasonTopicChanged is that of an event that was not sent, because the topic is not the one
// that earlier events were stored in.
const ReasonTopicChanged = "topic_changed"

// balancer is as Java's and librdkafka's: it puts a key that has no partition yet into one.
var balancer = kafka.Murmur2Balancer{Consistent: true}

// TopicChanged says what the topic lacks that a broker had acknowledged.
type TopicChanged struct{ Evidence string }

// Error is the evidence: numbers of partitions and offsets.
func (c *TopicChanged) Error() string { return Partner + ": " + ReasonTopicChanged + ": " + c.Evidence }

// Destination is the partition that the next event of a key goes to: the one that its events
// are in, or the one that its hash picks when it has none yet. It writes nothing.
//
// stored are places that a broker acknowledged before the call. A topic that has fewer
// partitions, or that ends before one of those places, was recreated or shrunk: that is a
// *TopicChanged, after the brokers were asked over fresh connections too, for what is known of
// a topic may be seconds old. Any other error is a *Failure that is not final.
func (p *Producer) Destination(ctx context.Context, key string, pinned *int, stored []Receipt) (int, error) {
	partitions, lacks, err := p.lacks(ctx, p.transport, pinned, stored)
	if err == nil && lacks != "" {
		fresh := p.freshTransport()
		defer fresh.CloseIdleConnections()
		partitions, lacks, err = p.lacks(ctx, fresh, pinned, stored)
	}
	switch {
	case err != nil:
		f := failed(err, false)
		if f.Reason != call.ReasonCancelled {
			p.reconnect()
		}
		return 0, f
	case lacks != "":
		return 0, &TopicChanged{lacks}
	case pinned != nil:
		return *pinned, nil
	}
	all := make([]int, partitions)
	for i := range all {
		all[i] = i
	}
	return balancer.Balance(kafka.Message{Key: []byte(key)}, all...), nil
}

// freshTransport knows nothing of the topic yet.
func (p *Producer) freshTransport() *kafka.Transport {
	return &kafka.Transport{ClientID: p.transport.ClientID, DialTimeout: p.transport.DialTimeout,
		TLS: p.transport.TLS, SASL: p.transport.SASL, MetadataTopics: []string{p.topic}}
}

// lacks says how many partitions the topic has, and what it lacks of them or of what they held;
// "" when nothing.
func (p *Producer) lacks(ctx context.Context, transport *kafka.Transport, pinned *int, stored []Receipt) (partitions int, lacks string, err error) {
	client := &kafka.Client{Addr: p.writer.Addr, Transport: transport, Timeout: p.writer.ReadTimeout}
	if partitions, err = p.partitions(ctx, client); err != nil {
		return 0, "", err
	}
	last := map[int]int64{} // by partition
	if pinned != nil {
		last[*pinned] = -1
	}
	for _, place := range stored {
		last[place.Partition] = max(last[place.Partition], place.Offset)
	}
	var ask []kafka.OffsetRequest
	for partition := range last {
		if partition >= partitions {
			return partitions, fmt.Sprintf("partition %d is gone: there are %d", partition, partitions), nil
		}
		ask = append(ask, kafka.LastOffsetOf(partition))
	}
	if len(stored) == 0 {
		return partitions, "", nil
	}
	ends, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{p.topic: ask}})
	if err != nil {
		return 0, "", err
	}
	for _, held := range ends.Topics[p.topic] {
		switch offset := last[held.Partition]; {
		case held.Error != nil:
			return 0, "", held.Error
		case held.LastOffset <= offset:
			lacks = fmt.Sprintf("partition %d ends at %d, and a broker had acknowledged offset %d", held.Partition, held.LastOffset, offset)
		}
	}
	return partitions, lacks, nil
}

// partitions is how many the topic has.
func (p *Producer) partitions(ctx context.Context, client *kafka.Client) (n int, err error) {
	metadata, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{p.topic}})
	if err != nil {
		return 0, err
	}
	for _, topic := range metadata.Topics {
		if topic.Error != nil {
			return 0, topic.Error
		}
		n += len(topic.Partitions)
	}
	if n == 0 {
		return 0, kafka.UnknownTopicOrPartition
	}
	return n, nil
}
