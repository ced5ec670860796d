package loxon

import (
	"context"
	"errors"
	"io"

	"github.com/segmentio/kafka-go"

	"tolem/partners/call"
)

// Partner is the protocol's name in errors and in the journal.
const Partner = "loxon"

// The reasons of a Failure beside those of package call (cancelled, timeout, refused, …).
const (
	ReasonInvalid  = "invalid"   // the event or message lacks what it must have; nothing was sent
	ReasonTooLarge = "too_large" // for us or for the broker
	ReasonClosed   = "closed"    // the producer was closed
	ReasonNoTopic  = "no_topic"  // the broker does not have the topic
	ReasonDenied   = "denied"    // password, or a right to write that we lack
	ReasonNotReady = "not_ready" // no leader, or too few replicas, for now
	ReasonBroker   = "broker"    // any other error code of the broker
)

// Failure is an event that was not, or not certainly, stored.
type Failure struct {
	// Final says that these bytes were not stored and never will be. Otherwise they may have
	// been: repeat the same ones.
	Final  bool
	Reason string // one of the Reason constants, here or in package call
	Err    error  // the cause: an error code, an address, a field; never content
}

// Error names the reason and the cause.
func (f *Failure) Error() string {
	if f.Err == nil {
		return Partner + ": " + f.Reason
	}
	return Partner + ": " + f.Reason + ": " + f.Err.Error()
}

// Unwrap is the cause.
func (f *Failure) Unwrap() error { return f.Err }

// failed classifies what the writer returned for one message. alone says that no other
// message was in its batch: only then is a batch too large because of it.
func failed(err error, alone bool) *Failure {
	var each kafka.WriteErrors // has no Unwrap
	if errors.As(err, &each) && len(each) == 1 {
		err = each[0]
	}
	var oversize kafka.MessageTooLargeError
	if errors.As(err, &oversize) { // it holds the message
		return &Failure{Final: true, Reason: ReasonTooLarge}
	}
	var code kafka.Error
	if errors.As(err, &code) {
		reason := reasonOf(code)
		return &Failure{Final: alone && reason == ReasonTooLarge, Reason: reason, Err: code}
	}
	if errors.Is(err, io.ErrClosedPipe) {
		return &Failure{Reason: ReasonClosed}
	}
	reason, _ := call.Classify(err)
	return &Failure{Reason: reason, Err: err}
}

func reasonOf(code kafka.Error) string {
	switch code {
	case kafka.MessageSizeTooLarge:
		return ReasonTooLarge
	case kafka.UnknownTopicOrPartition, kafka.InvalidTopic:
		return ReasonNoTopic
	case kafka.TopicAuthorizationFailed, kafka.ClusterAuthorizationFailed, kafka.SASLAuthenticationFailed,
		kafka.UnsupportedSASLMechanism, kafka.IllegalSASLState:
		return ReasonDenied
	case kafka.LeaderNotAvailable, kafka.NotLeaderForPartition, kafka.ReplicaNotAvailable, kafka.BrokerNotAvailable,
		kafka.NotEnoughReplicas, kafka.NotEnoughReplicasAfterAppend:
		return ReasonNotReady
	case kafka.RequestTimedOut:
		return call.ReasonTimeout
	}
	return ReasonBroker
}

// ended is a context that was over before anything was sent.
func ended(ctx context.Context) *Failure {
	reason, cause := call.Classify(ctx.Err())
	return &Failure{Reason: reason, Err: cause}
}
