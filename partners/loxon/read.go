package loxon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
)

// Record is one message as the topic holds it.
type Record struct {
	Key       string
	Value     []byte
	EventID   string // headers; "" when missing
	Seq       string
	ProcessID string
	Skipped   string
	Receipt
}

// Retained are the offsets that a partition holds: from First, up to and without End.
type Retained struct{ First, End int64 }

// readWait bounds the wait for the next record of those that are there.
const readWait = time.Minute

// ReadTopic gives every record of the topic up to where it ends now to visit, one partition
// after the other, each in its order, and says what each partition holds. It commits nothing
// and disturbs no reader.
func ReadTopic(ctx context.Context, o Options, visit func(Record) error) (map[int]Retained, error) {
	p, err := New(o)
	if err != nil {
		return nil, err
	}
	defer func() { _ = p.Close() }() // it wrote nothing
	return p.Read(ctx, visit)
}

// Read reads the producer's own topic, as ReadTopic does.
func (p *Producer) Read(ctx context.Context, visit func(Record) error) (map[int]Retained, error) {
	partitions, err := p.retained(ctx)
	if err != nil {
		return nil, fmt.Errorf("Loxon's topic %q at %s cannot be read: %w", p.topic, p.where(), err)
	}
	for partition, r := range partitions {
		if r.First < r.End {
			if err := p.read(ctx, partition, r, visit); err != nil {
				return nil, fmt.Errorf("Loxon's topic %q, partition %d: %w", p.topic, partition, err)
			}
		}
	}
	return partitions, nil
}

// retained asks for the offsets of every partition.
func (p *Producer) retained(ctx context.Context) (map[int]Retained, error) {
	client := &kafka.Client{Addr: p.writer.Addr, Transport: p.transport, Timeout: p.writer.ReadTimeout}
	metadata, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{p.topic}})
	if err != nil {
		return nil, err
	}
	var ask []kafka.OffsetRequest
	for _, topic := range metadata.Topics {
		if topic.Error != nil {
			return nil, topic.Error
		}
		for _, partition := range topic.Partitions {
			ask = append(ask, kafka.FirstOffsetOf(partition.ID), kafka.LastOffsetOf(partition.ID))
		}
	}
	if len(ask) == 0 {
		return nil, errors.New("it does not exist")
	}
	offsets, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{p.topic: ask}})
	if err != nil {
		return nil, err
	}
	all := map[int]Retained{}
	for _, o := range offsets.Topics[p.topic] {
		if o.Error != nil {
			return nil, o.Error
		}
		all[o.Partition] = Retained{First: o.FirstOffset, End: o.LastOffset}
	}
	return all, nil
}

// read gives one partition's records to visit.
func (p *Producer) read(ctx context.Context, partition int, r Retained, visit func(Record) error) error {
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: p.brokers, Topic: p.topic, Partition: partition, Dialer: p.dialer,
		MinBytes: 1, MaxBytes: 10 << 20, MaxWait: 100 * time.Millisecond, ReadLagInterval: -1})
	defer func() { _ = reader.Close() }() // it has nothing to lose
	if err := reader.SetOffset(r.First); err != nil {
		return err
	}
	for next := r.First; next < r.End; {
		within, cancel := context.WithTimeout(ctx, readWait)
		m, err := reader.ReadMessage(within)
		cancel()
		if errors.Is(err, io.EOF) || errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			return fmt.Errorf("no record at offset %d within %s, though %d were promised", next, readWait, r.End)
		}
		if err != nil {
			return err
		}
		if err := visit(record(m)); err != nil {
			return err
		}
		next = m.Offset + 1
	}
	return nil
}

func record(m kafka.Message) Record {
	r := Record{Key: string(m.Key), Value: m.Value, Receipt: Receipt{Partition: m.Partition, Offset: m.Offset}}
	for _, h := range m.Headers {
		switch h.Key {
		case "event-id":
			r.EventID = string(h.Value)
		case "event-seq":
			r.Seq = string(h.Value)
		case "process-id":
			r.ProcessID = string(h.Value)
		case skippedHeader:
			r.Skipped = string(h.Value)
		}
	}
	return r
}
