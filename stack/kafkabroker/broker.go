// Package kafkabroker runs a Kafka broker inside this process, for
// `go run ./stack` and for tests: franz-go's kfake on one loopback port, with
// its log on disk. It speaks to any Kafka client; it does not replicate and asks
// nobody for a password.
package kafkabroker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	private = 0o700

	// topicsLimit bounds the creation of topics, which takes milliseconds.
	topicsLimit = 30 * time.Second
)

// Options say where the broker keeps its log and where it listens.
type Options struct {
	// DataDir is created if it does not exist; "" keeps everything in memory.
	DataDir string
	// Addr is 127.0.0.1:port; port 0 picks a free one. The broker tells its
	// clients this address, so that it cannot be another one.
	Addr string
	// Topics exist after Start. No other topic is created by being written to.
	Topics []string
	// Partitions of topics that do not exist yet; 0 means 1. A topic that
	// exists keeps the number it has: with another one, events of one key would
	// be read out of order.
	Partitions int32
	// Log receives warnings and errors. Nil means slog.Default().
	Log *slog.Logger
}

// Broker is a running broker.
type Broker struct {
	cluster *kfake.Cluster
	lock    *flock.Flock // nil in memory
	addr    string
	stop    sync.Once
}

// Start returns when the broker answers and has the topics. What was
// acknowledged before a stop, or a kill, on the same directory is there again,
// committed offsets included. Errors name the busy address or the directory
// that another broker holds.
func Start(o Options) (*Broker, error) {
	b, err := start(o)
	if err != nil {
		return nil, fmt.Errorf("kafka broker: %w", err)
	}
	return b, nil
}

func start(o Options) (_ *Broker, err error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	port, err := loopbackPort(o.Addr)
	if err != nil {
		return nil, err
	}
	// Creation of topics by writing to them is off by default: a misspelt topic
	// must be an error, not a place where events vanish.
	options := []kfake.Opt{kfake.Ports(port), kfake.WithLogger(logger{o.Log})}

	b := &Broker{}
	if o.DataDir != "" {
		if b.lock, err = lockDir(o.DataDir); err != nil {
			return nil, err
		}
		// Synced before each acknowledgement. Kafka's own default trusts other
		// replicas instead, and here is none.
		options = append(options, kfake.DataDir(o.DataDir), kfake.SyncWrites())
	}
	defer func() {
		if err != nil {
			b.Stop()
		}
	}()
	if b.cluster, err = kfake.NewCluster(options...); err != nil {
		return nil, err // "listen tcp 127.0.0.1:9092: bind: address already in use"
	}
	b.addr = b.cluster.ListenAddrs()[0]
	if err := createTopics(b.addr, o.Topics, max(o.Partitions, 1)); err != nil {
		return nil, err
	}
	return b, nil
}

// Addr is the host:port clients dial.
func (b *Broker) Addr() string { return b.addr }

// Stop closes the listener and writes what a quick next start needs. Requests
// under way may get no answer. Stopping twice is harmless.
func (b *Broker) Stop() {
	b.stop.Do(func() {
		if b.cluster != nil {
			b.cluster.Close()
		}
		if b.lock != nil {
			_ = b.lock.Close() // it ends with the process anyway
		}
	})
}

func loopbackPort(addr string) (int, error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, fmt.Errorf("%q is not host:port: %w", addr, err)
	}
	if host != "127.0.0.1" && host != "localhost" {
		return 0, fmt.Errorf("%q: the broker listens on 127.0.0.1 only, it asks for no password", addr)
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%q has no numeric port: %w", addr, err)
	}
	return int(port), nil
}

// lockDir keeps a second broker out: kfake does not, and two of them on one
// directory destroy it.
func lockDir(dir string) (*flock.Flock, error) {
	if err := os.MkdirAll(dir, private); err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(dir, "lock"))
	locked, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if !locked {
		return nil, fmt.Errorf("directory %s is in use by another broker", dir)
	}
	return lock, nil
}

// createTopics creates those that do not exist. (kfake's own seed topics are
// ignored as soon as its directory holds anything.)
func createTopics(addr string, topics []string, partitions int32) error {
	if len(topics) == 0 {
		return nil
	}
	request := kmsg.NewPtrCreateTopicsRequest()
	for _, name := range topics {
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, 1
		request.Topics = append(request.Topics, topic)
	}
	return administer(addr, func(ctx context.Context, client *kgo.Client) error {
		response, err := request.RequestWith(ctx, client)
		if err != nil {
			return fmt.Errorf("create topics: %w", err)
		}
		for _, topic := range response.Topics {
			if err := kerr.ErrorForCode(topic.ErrorCode); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
				return fmt.Errorf("create topic %q: %w", topic.Topic, err)
			}
		}
		return nil
	})
}

// logger gives kfake's warnings and errors to slog.
type logger struct{ log *slog.Logger }

func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	switch level {
	case kfake.LogLevelError:
		l.log.Error("kafka broker: " + fmt.Sprintf(format, args...))
	case kfake.LogLevelWarn:
		l.log.Warn("kafka broker: " + fmt.Sprintf(format, args...))
	}
}
