package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// healthLimit bounds one health check: the probe it asks for takes two seconds at most.
const healthLimit = 4 * time.Second

// Healthcheck asks the process of this environment whether it is ready: a worker at
// METRICS_ADDR where that is set, else an API at API_ADDR. It is for containers, in which
// nothing else can ask. An error holds what the process said is missing.
//
// Of an API with TLS, which may ask everybody for a certificate, it finds out only whether it
// listens.
func Healthcheck(ctx context.Context, lookup func(string) string) error {
	addr := DefaultAPIAddr
	for _, name := range []string{"API_ADDR", "METRICS_ADDR"} {
		if v := lookup(name); v != "" {
			addr = v
		}
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%w: %q is not host:port: %w", ErrConfig, addr, err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // who listens for everybody also listens for us
	}
	ctx, cancel := context.WithTimeout(ctx, healthLimit)
	defer cancel()
	if lookup("API_TLS_CERT") != "" && lookup("METRICS_ADDR") == "" {
		return listens(ctx, net.JoinHostPort(host, port))
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Timeout: healthLimit, Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return fmt.Errorf("nobody answers: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // read
	text, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	if err != nil {
		return fmt.Errorf("the answer broke off: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", "; "))
	}
	return nil
}

// listens says whether somebody takes connections.
func listens(ctx context.Context, addr string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("nobody answers: %w", err)
	}
	_ = conn.Close() // it was taken
	return nil
}
