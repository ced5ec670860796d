package loxon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

const (
	clientID = "simulated-loxon"

	dialLimit = 3 * time.Second
	askLimit  = 5 * time.Second // of the question which partitions there are

	// refresh is how often new partitions are looked for.
	refresh = 5 * time.Second
	// A broker that is away is asked again after firstPause, twice that, …, lastPause.
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second

	fetchWait   = time.Second // how long the broker holds a fetch that finds nothing
	fetchBytes  = 1 << 20     // of one fetch; more if one record alone is larger
	fetchQueued = 100         // records read ahead, of a partition
)

// Options of a Consumer.
type Options struct {
	Brokers []string // host:port
	Topic   string
	Log     *slog.Logger // nil = discard; never holds contracts or messages
}

// Consumer is one Loxon with its books. Its methods may be called concurrently.
type Consumer struct {
	brokers []string
	topic   string
	log     *slog.Logger
	dialer  *kafka.Dialer
	handler http.Handler
	stop    context.CancelFunc
	ended   sync.WaitGroup

	mu    sync.Mutex
	books books
}

// New begins to read and returns without waiting for the broker. It fails only when an
// option is missing. Close it.
func New(o Options) (*Consumer, error) {
	if len(o.Brokers) == 0 || slices.Contains(o.Brokers, "") {
		return nil, errors.New("simulated Loxon: Brokers is empty")
	}
	if o.Topic == "" {
		return nil, errors.New("simulated Loxon: Topic is missing")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	c := &Consumer{brokers: o.Brokers, topic: o.Topic, log: o.Log,
		dialer: &kafka.Dialer{ClientID: clientID, Timeout: dialLimit}, books: newBooks(o.Topic)}
	c.handler = c.routes()
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	c.ended.Go(func() { c.run(ctx) })
	return c, nil
}

// Handler serves the control API.
func (c *Consumer) Handler() http.Handler { return c.handler }

// Close ends reading. The books can still be asked.
func (c *Consumer) Close() error {
	c.stop()
	c.ended.Wait()
	return nil
}

// Summary counts the books.
func (c *Consumer) Summary() Summary {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.books.count()
}

// Contract is what arrived about one contract, with its events; false for nothing.
func (c *Consumer) Contract(contract string) (Contract, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	account, ok := c.books.accounts[contract]
	if !ok {
		return Contract{}, false
	}
	return account.view(true), true
}

// Contracts lists the contracts by name, without their events.
func (c *Consumer) Contracts() []Contract {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.books.list()
}

// Faults are the first 10,000 faults, in the order they were found.
func (c *Consumer) Faults() []Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Fault{}, c.books.faults...)
}

func (c *Consumer) take(r kafka.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.books.take(r)
}

// run looks for partitions, and reads each that it finds, until ctx ends.
func (c *Consumer) run(ctx context.Context) {
	reading := map[int]bool{}
	pause, waiting := firstPause, false
	for {
		partitions, err := c.partitions(ctx)
		wait := refresh
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if !waiting { // once for each time that the topic is away
				c.log.Warn("simulated Loxon: the topic cannot be read yet, keeps trying", "topic", c.topic, "brokers", strings.Join(c.brokers, ","), "error", err)
			}
			waiting, wait, pause = true, pause, min(2*pause, lastPause)
		default:
			if waiting || len(reading) == 0 {
				c.log.Info("simulated Loxon: reads the topic", "topic", c.topic, "partitions", len(partitions))
			}
			pause, waiting = firstPause, false
			c.follow(ctx, partitions, reading)
		}
		if !sleep(ctx, wait) {
			return
		}
	}
}

// follow begins to read the partitions that are not read yet.
func (c *Consumer) follow(ctx context.Context, partitions []int, reading map[int]bool) {
	for _, partition := range partitions {
		if !reading[partition] {
			reading[partition] = true
			c.ended.Go(func() { c.read(ctx, partition) })
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.books.summary.Partitions = len(reading)
}

// partitions asks without letting the broker create the topic, as Conn.ReadPartitions does.
func (c *Consumer) partitions(ctx context.Context) ([]int, error) {
	transport := &kafka.Transport{ClientID: clientID, DialTimeout: dialLimit, MetadataTopics: []string{c.topic}}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(c.brokers...), Transport: transport, Timeout: askLimit}
	metadata, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{c.topic}})
	if err != nil {
		return nil, err
	}
	var partitions []int
	for _, topic := range metadata.Topics {
		if topic.Name != c.topic {
			continue
		}
		if topic.Error != nil {
			return nil, topic.Error
		}
		for _, p := range topic.Partitions {
			partitions = append(partitions, p.ID)
		}
	}
	if len(partitions) == 0 {
		return nil, errors.New("the topic does not exist")
	}
	return partitions, nil
}

// read reads one partition from its first record until ctx ends. A reader that fails is
// replaced by one that goes on behind the last record in the books.
func (c *Consumer) read(ctx context.Context, partition int) {
	next, pause := kafka.FirstOffset, firstPause
	for {
		before := next
		err := c.readFrom(ctx, partition, &next)
		if ctx.Err() != nil {
			return
		}
		if next != before {
			pause = firstPause
		}
		c.log.Warn("simulated Loxon: reading is interrupted, goes on", "topic", c.topic, "partition", partition, "error", err)
		if !sleep(ctx, pause) {
			return
		}
		pause = min(2*pause, lastPause)
	}
}

// readFrom reads until something fails; next is always the record to go on with.
func (c *Consumer) readFrom(ctx context.Context, partition int, next *int64) error {
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: c.brokers, Topic: c.topic, Partition: partition, Dialer: c.dialer,
		MinBytes: 1, MaxBytes: fetchBytes, MaxWait: fetchWait, QueueCapacity: fetchQueued,
		ReadBackoffMin: firstPause, ReadBackoffMax: time.Second, ReadLagInterval: -1,
	})
	defer func() { _ = r.Close() }() // it has nothing to lose
	if err := r.SetOffset(*next); err != nil {
		return fmt.Errorf("offset %d: %w", *next, err)
	}
	for {
		m, err := r.FetchMessage(ctx)
		if err != nil {
			return err
		}
		c.take(m)
		*next = m.Offset + 1
	}
}

// sleep lets d pass; false when ctx ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
