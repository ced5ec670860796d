// Package tracing sends spans to an OpenTelemetry collector, if the environment names one,
// and carries them through Temporal.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// defaultService is what spans name as their service unless OTEL_SERVICE_NAME or
// OTEL_RESOURCE_ATTRIBUTES do.
const defaultService = "tolem"

// stopLimit bounds the last export of a process that stops.
const stopLimit = 5 * time.Second

// ErrSetting is wrapped by the errors of Start that the environment is to blame for.
var ErrSetting = errors.New("configuration")

// Tracing is where the spans of a process go.
type Tracing struct {
	// Provider makes spans; nil when nothing is exported, and then nobody makes any.
	Provider trace.TracerProvider

	stop func(context.Context) error
}

// Start reads OpenTelemetry's own environment. Without OTEL_EXPORTER_OTLP_ENDPOINT (or that of
// traces alone), or where OTEL_SDK_DISABLED or OTEL_TRACES_EXPORTER=none say so, there is no
// provider. The exporter, its batches, the sampler and the limits of a span take the rest of
// the environment by themselves (OTEL_EXPORTER_OTLP_*, OTEL_BSP_*, OTEL_TRACES_SAMPLER*,
// OTEL_SPAN_*). It calls nobody: a collector that is away costs the spans, and a warning.
func Start(ctx context.Context, lookup func(string) string) (*Tracing, error) {
	first := func(names ...string) string {
		for _, name := range names {
			if v := lookup(name); v != "" {
				return v
			}
		}
		return ""
	}
	if strings.EqualFold(lookup("OTEL_SDK_DISABLED"), "true") || first("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT") == "" {
		return &Tracing{}, nil
	}
	switch kind := first("OTEL_TRACES_EXPORTER"); kind {
	case "", "otlp":
	case "none":
		return &Tracing{}, nil
	default:
		return nil, fmt.Errorf("%w: OTEL_TRACES_EXPORTER: want otlp or none", ErrSetting)
	}
	client, err := clientOf(first("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"))
	if err != nil {
		return nil, err
	}
	exporter, err := otlptrace.New(ctx, client)
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_*: %w", err)
	}
	from, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(attribute.String("service.name", defaultService)), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("%w: OTEL_RESOURCE_ATTRIBUTES: %w", ErrSetting, err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { slog.Warn("spans are lost", "error", err) }))
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(from))
	return &Tracing{Provider: provider, stop: provider.Shutdown}, nil
}

// clientOf speaks the protocol that the environment names; the specification's default is
// HTTP.
func clientOf(protocol string) (otlptrace.Client, error) {
	switch protocol {
	case "", "http/protobuf":
		return otlptracehttp.NewClient(), nil
	case "grpc":
		return otlptracegrpc.NewClient(), nil
	}
	return nil, fmt.Errorf("%w: OTEL_EXPORTER_OTLP_PROTOCOL: want http/protobuf or grpc", ErrSetting)
}

// Stop exports what is left, for at most 5 s.
func (t *Tracing) Stop() {
	if t.stop == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	if err := t.stop(ctx); err != nil {
		slog.Warn("the last spans are lost", "error", err)
	}
}
