package call

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"time"
)

// The causes that no server on this machine can bring about.
func TestClassify(t *testing.T) {
	for reason, err := range map[string]error{
		ReasonDNS:       &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "centre", IsNotFound: true}},
		ReasonTimeout:   &net.OpError{Op: "dial", Err: syscall.ETIMEDOUT},
		ReasonTransport: &net.OpError{Op: "dial", Err: syscall.ENETUNREACH},
		ReasonReset:     errors.New("http: server closed idle connection"),
		ReasonTLS:       &net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")},
	} {
		if got, cause := Classify(err); got != reason || cause == nil {
			t.Errorf("%v: %s, %v; want %s", err, got, cause, reason)
		}
	}
}

// Half a minute where nobody chose, and no slash that would stand twice.
func TestDefaults(t *testing.T) {
	c, err := New(Options{Partner: "bank", URL: "http://bank/agent/"})
	if err != nil || c.timeout != 30*time.Second || c.base != "http://bank/agent" {
		t.Errorf("%+v %v", c, err)
	}
}
