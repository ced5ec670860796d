package loxon_test

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/partners/call"
	"tolem/partners/loxon"
)

func TestOptions(t *testing.T) {
	for problem, spoil := range map[string]func(*loxon.Options){
		"Brokers is empty":            func(o *loxon.Options) { o.Brokers = nil },
		"Brokers[1] is not host:port": func(o *loxon.Options) { o.Brokers = []string{"kafka:9092", "secret"} },
		"Brokers[0] is not host:port": func(o *loxon.Options) { o.Brokers = []string{"secret:kafka"} },
		"Topic is missing":            func(o *loxon.Options) { o.Topic = "" },
		"DialTimeout is negative":     func(o *loxon.Options) { o.DialTimeout = -1 },
		"WriteTimeout is negative":    func(o *loxon.Options) { o.WriteTimeout = -1 },
		"SASL.User is missing":        func(o *loxon.Options) { o.SASL = loxon.SASL{Mechanism: loxon.SASLPlain, Password: "secret"} },
		"SASL.Password is missing":    func(o *loxon.Options) { o.SASL = loxon.SASL{Mechanism: loxon.SASLPlain, User: "secret"} },
		"SASL.Mechanism is missing, and there is a user or a password": func(o *loxon.Options) { o.SASL.User = "secret" },
		"SASL.Mechanism is not PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512": func(o *loxon.Options) {
			o.SASL = loxon.SASL{Mechanism: "secret", User: "u", Password: "p"}
		},
		"SASL.User or SASL.Password has characters that SCRAM forbids": func(o *loxon.Options) {
			o.SASL = loxon.SASL{Mechanism: loxon.SASLScramSHA512, User: "u", Password: "secret\x00"}
		},
	} {
		o := loxon.Options{Brokers: []string{"127.0.0.1:9092"}, Topic: "loxon"}
		spoil(&o)
		_, err := loxon.New(o)
		require.EqualError(t, err, "loxon: "+problem)
	}
}

// What can be told without a broker is told without one.
func TestRefusedBeforeSending(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := listener.Addr().String()
	require.NoError(t, listener.Close()) // nobody listens there now
	p, err := loxon.New(loxon.Options{Brokers: []string{addr}, Topic: "loxon", DialTimeout: time.Second, WriteTimeout: time.Second})
	require.NoError(t, err)
	defer func() { require.NoError(t, p.Close()) }()

	whole := loxon.Message{Key: "KD1", Value: []byte("{}"), EventID: "KD1/1", Seq: 1}
	for problem, spoil := range map[string]func(*loxon.Message){
		"Key is missing": func(m *loxon.Message) { m.Key = "" }, "Value is missing": func(m *loxon.Message) { m.Value = nil },
		"EventID is missing": func(m *loxon.Message) { m.EventID = "" }, "Seq is below 1": func(m *loxon.Message) { m.Seq = 0 },
	} {
		m := whole
		spoil(&m)
		_, err := p.Send(t.Context(), m)
		require.True(t, failure(t, err).Final)
		require.EqualError(t, err, "loxon: invalid: message: "+problem)
	}
	large := whole
	large.Value = bytes.Repeat([]byte("secret"), 150_000)
	_, err = p.Send(t.Context(), large)
	require.Equal(t, &loxon.Failure{Final: true, Reason: loxon.ReasonTooLarge}, failure(t, err))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = p.Send(ctx, whole)
	require.Equal(t, &loxon.Failure{Reason: call.ReasonCancelled, Err: context.Canceled}, failure(t, err))

	_, err = p.Send(t.Context(), whole)
	f := failure(t, err)
	require.False(t, f.Final)
	require.Equal(t, call.ReasonRefused, f.Reason)
	require.EqualError(t, p.Probe(t.Context()), "no broker of Loxon is reached: "+addr+" (refused)")
	require.False(t, strings.Contains(err.Error(), "KD1"))
}

func TestClosed(t *testing.T) {
	p, err := loxon.New(loxon.Options{Brokers: []string{"127.0.0.1:9092"}, Topic: "loxon"})
	require.NoError(t, err)
	require.NoError(t, p.Close())
	_, err = p.Send(t.Context(), loxon.Message{Key: "KD1", Value: []byte("{}"), EventID: "KD1/1", Seq: 1})
	require.Equal(t, &loxon.Failure{Reason: loxon.ReasonClosed}, failure(t, err))
}

func failure(t *testing.T, err error) *loxon.Failure {
	t.Helper()
	var f *loxon.Failure
	require.ErrorAs(t, err, &f)
	return f
}
