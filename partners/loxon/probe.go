package loxon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/segmentio/kafka-go"

	"tolem/partners/call"
)

// Probe says whether messages could be sent: a broker answers, takes our password and has
// the topic. It writes nothing and creates nothing. Errors are lines for whoever starts the
// program; the writer's own would be "unexpected EOF" for a wrong password.
func (p *Producer) Probe(ctx context.Context) error {
	if err := p.logIn(ctx); err != nil {
		return err
	}
	// A transport of its own: the writer's may know the topics of some seconds ago.
	transport := p.freshTransport()
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: p.writer.Addr, Transport: transport, Timeout: p.writer.ReadTimeout}
	// Unlike Conn.ReadPartitions this does not let the broker create the topic.
	metadata, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{p.topic}})
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("Loxon's broker at %s closed the connection: does it want TLS, or a user and a password?", p.where())
	case err != nil:
		return fmt.Errorf("Loxon's broker at %s does not say which topics it has: %w", p.where(), err)
	}
	for _, topic := range metadata.Topics {
		if topic.Name == p.topic {
			return p.judge(topic)
		}
	}
	return p.missing()
}

func (p *Producer) judge(topic kafka.Topic) error {
	switch {
	case errors.Is(topic.Error, kafka.UnknownTopicOrPartition), topic.Error == nil && len(topic.Partitions) == 0:
		return p.missing()
	case errors.Is(topic.Error, kafka.TopicAuthorizationFailed):
		return fmt.Errorf("Loxon's topic %q at %s may not be described by our user: allow it to describe and write", p.topic, p.where())
	case topic.Error != nil:
		return fmt.Errorf("Loxon's topic %q at %s is not usable: %w", p.topic, p.where(), topic.Error)
	}
	return nil
}

func (p *Producer) missing() error {
	return fmt.Errorf("Loxon's topic %q does not exist at %s: create it (kafka-topics --create --topic %s …) or set LOXON_TOPIC",
		p.topic, p.where(), p.topic)
}

func (p *Producer) where() string { return strings.Join(p.brokers, ",") }

// logIn is nil as soon as one broker lets us in. A password that one refuses, all refuse.
func (p *Producer) logIn(ctx context.Context) error {
	var unreached []string
	for _, broker := range p.brokers {
		conn, err := p.dialer.DialContext(ctx, "tcp", broker)
		var code kafka.Error
		switch {
		case err == nil:
			_ = conn.Close() // it has served
			return nil
		case errors.As(err, &code) && code == kafka.UnsupportedSASLMechanism:
			return fmt.Errorf("Loxon's broker at %s does not know the SASL mechanism %s", broker, p.dialer.SASLMechanism.Name())
		case errors.As(err, &code) && reasonOf(code) == ReasonDenied:
			return fmt.Errorf("Loxon's broker at %s refuses our user or password (SASL %s)", broker, p.dialer.SASLMechanism.Name())
		}
		reason, _ := call.Classify(err)
		unreached = append(unreached, broker+" ("+reason+")")
	}
	return fmt.Errorf("no broker of Loxon is reached: %s", strings.Join(unreached, ", "))
}
