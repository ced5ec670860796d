package loxon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"tolem/partners/call"
)

// The SASL mechanisms.
const (
	SASLPlain       = "PLAIN"
	SASLScramSHA256 = "SCRAM-SHA-256"
	SASLScramSHA512 = "SCRAM-SHA-512"
)

// SASL is how we say who we are. The zero value is not at all.
type SASL struct {
	Mechanism string // one of the constants; "" = none
	User      string
	Password  string
}

// Options say how to reach Loxon's topic.
type Options struct {
	Brokers      []string // host:port, of which one must answer
	Topic        string
	ClientID     string        // our name in the brokers' logs; "" = tolem
	TLS          *tls.Config   // nil = no TLS
	SASL         SASL          // PLAIN without TLS shows the password to the network
	DialTimeout  time.Duration // of one connection with its log-in; 0 = 3 s
	WriteTimeout time.Duration // of one request to write; 0 = 5 s
}

// What is the same for everybody, as measured: kafka-go's own defaults wait a second for
// each lone message, ask for no acknowledgement and repeat by themselves.
const (
	defaultClientID     = "tolem"
	defaultDialTimeout  = 3 * time.Second
	defaultWriteTimeout = 5 * time.Second
	idleTimeout         = 30 * time.Second
	metadataTTL         = 5 * time.Second
	batchSize           = 100                    // messages of one partition under way together
	batchTimeout        = 2 * time.Millisecond   // that a lone message waits for others
	batchBytes          = 900_000                // below the brokers' usual limit of 1,048,588
	reconnectInterval   = 100 * time.Millisecond // least time between two fresh starts of all connections
)

// Producer writes to one topic. It is safe for concurrent use; one is enough for a process.
type Producer struct {
	brokers   []string
	topic     string
	dialer    *kafka.Dialer
	transport *kafka.Transport
	writer    *kafka.Writer

	mu          sync.Mutex
	reconnected time.Time
}

// New checks the options; it calls nobody. Errors name the field, never its value.
func New(o Options) (*Producer, error) {
	mechanism, err := o.check()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Partner, err)
	}
	if o.ClientID == "" {
		o.ClientID = defaultClientID
	}
	if o.DialTimeout == 0 {
		o.DialTimeout = defaultDialTimeout
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = defaultWriteTimeout
	}
	p := &Producer{
		brokers: o.Brokers, topic: o.Topic,
		dialer: &kafka.Dialer{ClientID: o.ClientID, Timeout: o.DialTimeout, TLS: o.TLS, SASLMechanism: mechanism},
		transport: &kafka.Transport{ClientID: o.ClientID, DialTimeout: o.DialTimeout, IdleTimeout: idleTimeout,
			MetadataTTL: metadataTTL, TLS: o.TLS, SASL: mechanism},
	}
	p.writer = &kafka.Writer{Addr: kafka.TCP(o.Brokers...), Topic: o.Topic,
		Balancer:     kafka.BalancerFunc(choose),
		RequiredAcks: kafka.RequireAll, BatchSize: batchSize, BatchTimeout: batchTimeout, BatchBytes: batchBytes,
		MaxAttempts: 1, // repeating is the workflow's business
		ReadTimeout: o.WriteTimeout, WriteTimeout: o.WriteTimeout,
		Transport: p.transport, Completion: completed}
	return p, nil
}

func (o Options) check() (sasl.Mechanism, error) {
	if len(o.Brokers) == 0 {
		return nil, errors.New("Brokers is empty")
	}
	for i, broker := range o.Brokers {
		host, port, err := net.SplitHostPort(broker)
		if _, wrong := strconv.ParseUint(port, 10, 16); err != nil || wrong != nil || host == "" {
			return nil, fmt.Errorf("Brokers[%d] is not host:port", i)
		}
	}
	switch {
	case o.Topic == "":
		return nil, errors.New("Topic is missing")
	case o.DialTimeout < 0:
		return nil, errors.New("DialTimeout is negative")
	case o.WriteTimeout < 0:
		return nil, errors.New("WriteTimeout is negative")
	}
	return o.SASL.mechanism()
}

func (s SASL) mechanism() (sasl.Mechanism, error) {
	switch {
	case s == (SASL{}):
		return nil, nil
	case s.Mechanism == "":
		return nil, errors.New("SASL.Mechanism is missing, and there is a user or a password")
	case s.User == "":
		return nil, errors.New("SASL.User is missing")
	case s.Password == "":
		return nil, errors.New("SASL.Password is missing")
	}
	algorithm := scram.SHA256
	switch s.Mechanism {
	case SASLPlain:
		return plain.Mechanism{Username: s.User, Password: s.Password}, nil
	case SASLScramSHA256:
	case SASLScramSHA512:
		algorithm = scram.SHA512
	default:
		return nil, errors.New("SASL.Mechanism is not PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
	}
	mechanism, err := scram.Mechanism(algorithm, s.User, s.Password)
	if err != nil { // it quotes them
		return nil, errors.New("SASL.User or SASL.Password has characters that SCRAM forbids")
	}
	return mechanism, nil
}

// Message is one event to send.
type Message struct {
	Key       string // the contract: messages of one key keep their order, in one partition
	Partition *int   // of Destination; nil is the one that the key's hash picks
	Value     []byte // of Encode; not to be changed until Send returns
	EventID   string // header event-id: contract/seq
	Seq       int64  // header event-seq, from 1 without gaps per contract
	ProcessID string // header process-id: the workflow that sends; "" = none
	// Skipped is the header skipped-seq: the numbers directly before Seq that are never sent,
	// separated by commas, the same at each repetition; "" = no header.
	Skipped string
	// Traceparent is the header of that name, as W3C Trace Context writes it: the trace that
	// the event came from, the same at each repetition; "" = no header.
	Traceparent string
}

// Receipt is where a message was stored.
type Receipt struct {
	Partition int
	Offset    int64
}

// choose is the message's own partition, or the one that its key's hash picks.
func choose(m kafka.Message, partitions ...int) int {
	if s, ours := m.WriterData.(*slot); ours && s.partition != nil {
		return *s.partition
	}
	return balancer.Balance(m, partitions...)
}

// slot travels with a message through the writer and back.
type slot struct {
	partition *int // as asked for
	receipt   Receipt
	alone     bool // nobody else was in the batch
}

// completed fills the slots. The writer calls it before it wakes those who wait for the
// batch, so that Send may read its slot after WriteMessages, and only if that waited.
func completed(batch []kafka.Message, _ error) {
	for _, m := range batch {
		s, _ := m.WriterData.(*slot)
		s.receipt, s.alone = Receipt{m.Partition, m.Offset}, len(batch) == 1
	}
}

// Send returns when all replicas that are in step have stored the message, and says where.
// A context that has ended sends nothing; one that ends during Send does not take back what
// is under way, and makes Send return at once.
//
// Errors are *Failure: unless it is Final the message may have been stored, and has to be
// sent again with the same bytes and headers before the next one of its key.
func (p *Producer) Send(ctx context.Context, m Message) (Receipt, error) {
	span := p.beginSpan(ctx, m)
	receipt, err := p.send(ctx, m)
	endSpan(span, receipt, err)
	return receipt, err
}

func (p *Producer) send(ctx context.Context, m Message) (Receipt, error) {
	if err := m.check(); err != nil {
		return Receipt{}, &Failure{Final: true, Reason: ReasonInvalid, Err: err}
	}
	if ctx.Err() != nil { // the writer would send in spite of it, half of the times
		return Receipt{}, ended(ctx)
	}
	s := &slot{partition: m.Partition}
	err := p.writer.WriteMessages(ctx, kafka.Message{
		Key: []byte(m.Key), Value: m.Value, WriterData: s, Headers: m.headers(),
	})
	if err == nil {
		return s.receipt, nil
	}
	var waited kafka.WriteErrors // the batch came to its end: the slot is filled
	f := failed(err, errors.As(err, &waited) && s.alone)
	if !f.Final && f.Reason != call.ReasonCancelled && f.Reason != ReasonClosed {
		p.reconnect()
	}
	return Receipt{}, f
}

// skippedHeader names the numbers that are never sent.
const skippedHeader = "skipped-seq"

func (m Message) headers() []kafka.Header {
	headers := []kafka.Header{
		{Key: "event-id", Value: []byte(m.EventID)},
		{Key: "event-seq", Value: strconv.AppendInt(nil, m.Seq, 10)},
		{Key: "process-id", Value: []byte(m.ProcessID)},
	}
	if m.Skipped != "" {
		headers = append(headers, kafka.Header{Key: skippedHeader, Value: []byte(m.Skipped)})
	}
	if m.Traceparent != "" {
		headers = append(headers, kafka.Header{Key: traceHeader, Value: []byte(m.Traceparent)})
	}
	return headers
}

func (m Message) check() error {
	switch {
	case m.Key == "":
		return errors.New("message: Key is missing")
	case len(m.Value) == 0:
		return errors.New("message: Value is missing")
	case m.EventID == "":
		return errors.New("message: EventID is missing")
	case m.Seq < 1:
		return errors.New("message: Seq is below 1")
	}
	return nil
}

// reconnect makes the next requests ask anew who leads: the transport itself notices a
// moved leader only when its metadata are 5 s old. Many senders fail together; one fresh
// start is enough for them.
func (p *Producer) reconnect() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); now.Sub(p.reconnected) >= reconnectInterval {
		p.reconnected = now
		p.transport.CloseIdleConnections()
	}
}

// Close waits for what is under way, at most WriteTimeout, and ends the connections. Send
// fails afterwards.
func (p *Producer) Close() error {
	err := p.writer.Close()
	p.transport.CloseIdleConnections()
	return err
}
