package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// scrapeLimit bounds one scrape: Prometheus gives up after 10 s by itself.
const scrapeLimit = 5 * time.Second

// Server serves /metrics for a program without an API. It asks for no token: labels and
// numbers name nobody.
type Server struct {
	// Addr is where it listens.
	Addr string
	http *http.Server
}

// Serve listens on addr, host:port, and answers GET /metrics until Close.
func Serve(ctx context.Context, addr string, registry prometheus.Gatherer) (*Server, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("serve metrics on %s: %w", addr, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{Timeout: scrapeLimit}))
	s := &Server{Addr: listener.Addr().String(), http: &http.Server{
		Handler: mux, ReadHeaderTimeout: scrapeLimit, ReadTimeout: scrapeLimit, WriteTimeout: 2 * scrapeLimit, IdleTimeout: time.Minute,
	}}
	go func() {
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			slog.Error("metrics are not served any more", "error", err)
		}
	}()
	return s, nil
}

// Close ends it, with the scrapes under way.
func (s *Server) Close() {
	_ = s.http.Close() // a scrape that is cut off comes again
}
