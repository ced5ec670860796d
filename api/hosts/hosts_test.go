package hosts_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"tolem/api/hosts"
)

func listening(t *testing.T, addr string) net.Addr {
	t.Helper()
	at, err := net.ResolveTCPAddr("tcp", addr)
	require.NoError(t, err)
	return at
}

func TestWhoIsAnswered(t *testing.T) {
	const loopback, everywhere, inside = "127.0.0.1:8080", "0.0.0.0:8080", "10.0.0.5:8080"
	for _, c := range []struct {
		listens string
		names   []string
		host    string
		want    bool
	}{
		{loopback, nil, "127.0.0.1:8080", true},
		{loopback, nil, "127.0.0.1", true},
		{loopback, nil, "127.8.0.1:1", true}, // a forwarded port
		{loopback, nil, "localhost:8080", true},
		{loopback, nil, "LocalHost.", true},
		{loopback, nil, "[::1]:8080", true},
		{loopback, nil, "[::1]", true},
		{loopback, nil, "[::ffff:127.0.0.1]:8080", true},
		{"[::1]:8080", nil, "[::1]:8080", true},
		{loopback, nil, "", true},
		{loopback, nil, "rebound.example:8080", false},
		{loopback, nil, "rebound.example", false},
		{loopback, nil, "localhost.rebound.example", false},
		{loopback, nil, "127.0.0.1.rebound.example", false},
		{loopback, nil, "notlocalhost", false},
		{loopback, nil, "0.0.0.0:8080", false}, // which some browsers take for this machine
		{loopback, nil, "10.0.0.5:8080", false},
		{loopback, nil, "[::]:8080", false},
		{loopback, nil, "::1]evil", false},
		{"[::1]:8080", nil, "rebound.example", false},
		{loopback, []string{"Tolem.Bank"}, "tolem.bank:443", true},
		{loopback, []string{"tolem.bank"}, "tolem.bank.", true},
		{loopback, []string{"tolem.bank"}, "other.bank", false},
		{everywhere, nil, "anything.example", true},
		{inside, nil, "anything.example", true},
		{everywhere, []string{"tolem.bank", "10.0.0.7"}, "tolem.bank", true},
		{everywhere, []string{"tolem.bank", "10.0.0.7"}, "10.0.0.7:8080", true},
		{everywhere, []string{"tolem.bank"}, "127.0.0.1:8080", true}, // its own health check
		{everywhere, []string{"tolem.bank"}, "rebound.example", false},
		{everywhere, []string{"tolem.bank"}, "10.0.0.5:8080", false},
	} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		request.Host = c.host
		require.Equal(t, c.want, hosts.For(listening(t, c.listens), c.names...).Answers(request), "%s %v %q", c.listens, c.names, c.host)
	}
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://rebound.example/", nil)
	require.True(t, hosts.Rule{}.Answers(request), "the zero value checks nothing")
}

// A probe or a scraper calls by address; on a machine with several, by the one it reaches.
func TestTheAddressOfTheConnectionIsAnswered(t *testing.T) {
	rule := hosts.For(listening(t, "0.0.0.0:8080"), "tolem.bank")
	for host, want := range map[string]bool{"10.0.0.5:9090": true, "10.0.0.6:8080": false} {
		arrived := context.WithValue(t.Context(), http.LocalAddrContextKey, listening(t, "10.0.0.5:8080"))
		request := httptest.NewRequestWithContext(arrived, http.MethodGet, "/", nil)
		request.Host = host
		require.Equal(t, want, rule.Answers(request), host)
	}
}

func TestGuard(t *testing.T) {
	inside := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "in") }) // the recorder takes it
	guard := hosts.For(listening(t, "127.0.0.1:8080")).Guard(inside)
	for host, want := range map[string]string{"127.0.0.1:8080": "200 in", "rebound.example:8080": "421 " + hosts.Refusal + "\n"} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		request.Host = host
		answer := httptest.NewRecorder()
		guard.ServeHTTP(answer, request)
		require.Equal(t, want, fmt.Sprintf("%d %s", answer.Code, answer.Body), host)
	}
}

func TestNames(t *testing.T) {
	names, err := hosts.Parse(" tolem.bank, 10.0.0.5,api,::1 ")
	require.NoError(t, err)
	require.Equal(t, []string{"tolem.bank", "10.0.0.5", "api", "::1"}, names)
	names, err = hosts.Parse(" ")
	require.NoError(t, err)
	require.Empty(t, names)
	for _, wrong := range []string{"https://tolem.bank", "tolem.bank:443", "*", "*.bank", "a,,b", "a b", "-a", "[::1]"} {
		_, err := hosts.Parse(wrong)
		require.ErrorContains(t, err, "without scheme and port", wrong)
	}
}
