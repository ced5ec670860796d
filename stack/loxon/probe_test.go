package loxon_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"

	"tolem/partners/loxon"
)

func TestProbeMissingTopic(t *testing.T) {
	c := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "other"), kfake.AllowAutoTopicCreation())
	addr := c.ListenAddrs()[0]
	p := producer(t, loxon.Options{Brokers: []string{addr}})
	for range 2 { // and asking does not create it
		require.EqualError(t, p.Probe(t.Context()), `Loxon's topic "loxon" does not exist at `+addr+
			`: create it (kafka-topics --create --topic loxon …) or set LOXON_TOPIC`)
	}
}

// Every mechanism gets in with the right password; a wrong one, none, or an unknown
// mechanism are said to be what they are.
func TestProbePassword(t *testing.T) {
	for _, mechanism := range []string{loxon.SASLPlain, loxon.SASLScramSHA256, loxon.SASLScramSHA512} {
		c := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, topic), kfake.EnableSASL(), kfake.Superuser(mechanism, "k2", "right"))
		addr := c.ListenAddrs()[0]
		right := producer(t, loxon.Options{Brokers: c.ListenAddrs(), SASL: loxon.SASL{Mechanism: mechanism, User: "k2", Password: "right"}})
		require.NoError(t, right.Probe(t.Context()))
		_, err := right.Send(t.Context(), message(t, "KD1", 1))
		require.NoError(t, err)

		wrong := producer(t, loxon.Options{Brokers: c.ListenAddrs(), SASL: loxon.SASL{Mechanism: mechanism, User: "k2", Password: "wrong"}})
		require.EqualError(t, wrong.Probe(t.Context()), "Loxon's broker at "+addr+" refuses our user or password (SASL "+mechanism+")")

		none := producer(t, loxon.Options{Brokers: c.ListenAddrs(), WriteTimeout: 2 * time.Second})
		require.EqualError(t, none.Probe(t.Context()), "Loxon's broker at "+addr+" closed the connection: does it want TLS, or a user and a password?")
	}
}

func TestProbeTLS(t *testing.T) {
	certified := httptest.NewTLSServer(nil) // for its certificate, of 127.0.0.1
	defer certified.Close()
	roots := x509.NewCertPool()
	roots.AddCert(certified.Certificate())
	c := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, topic), kfake.TLS(&tls.Config{Certificates: certified.TLS.Certificates}))
	addr := c.ListenAddrs()[0]

	p := producer(t, loxon.Options{Brokers: c.ListenAddrs(), TLS: &tls.Config{RootCAs: roots}})
	require.NoError(t, p.Probe(t.Context()))
	_, err := p.Send(t.Context(), message(t, "KD1", 1))
	require.NoError(t, err)

	strange := producer(t, loxon.Options{Brokers: c.ListenAddrs(), TLS: &tls.Config{RootCAs: x509.NewCertPool()}})
	require.EqualError(t, strange.Probe(t.Context()), "no broker of Loxon is reached: "+addr+" (tls)")
	plain := producer(t, loxon.Options{Brokers: c.ListenAddrs(), WriteTimeout: 2 * time.Second})
	require.ErrorContains(t, plain.Probe(t.Context()), "does it want TLS")
}

// One broker that answers is enough.
func TestProbeSecondBroker(t *testing.T) {
	c := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	gone := cluster(t, kfake.NumBrokers(1))
	addrs := append(gone.ListenAddrs(), c.ListenAddrs()...)
	gone.Close()
	require.NoError(t, producer(t, loxon.Options{Brokers: addrs}).Probe(t.Context()))
}
