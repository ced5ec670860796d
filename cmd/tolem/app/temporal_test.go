package app_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"tolem/cmd/tolem/app"
	"tolem/cmd/tolem/certificates"
	"tolem/cmd/tolem/certificates/certificatestest"
)

// temporalFrontend answers that it is well, and nothing else; without files in plain text.
func temporalFrontend(t *testing.T, f certificates.Files) (address string) {
	t.Helper()
	var options []grpc.ServerOption
	if !f.Empty() {
		answering, err := certificates.Server(f)
		require.NoError(t, err)
		settings, err := answering.GetConfigForClient(nil)
		require.NoError(t, err)
		settings.NextProtos = []string{"h2"} // gRPC's
		options = append(options, grpc.Creds(credentials.NewTLS(settings)))
	}
	server := grpc.NewServer(options...)
	workflowservice.RegisterWorkflowServiceServer(server, workflowservice.UnimplementedWorkflowServiceServer{})
	well := health.NewServer()
	well.SetServingStatus("temporal.api.workflowservice.v1.WorkflowService", grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(server, well)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = server.Serve(listener) }() // ends with Stop
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

// Temporal's own variables bring TLS, in both directions.
func TestTemporalOverTLS(t *testing.T) {
	ours, foreign := certificatestest.New(t, "ours"), certificatestest.New(t, "foreign")
	certificate, key := ours.Issue("temporal", certificatestest.Of{})
	address := temporalFrontend(t, certificates.Files{Authorities: ours.File, Certificate: certificate, Key: key})
	shown, shownKey := ours.Issue("tolem", certificatestest.Of{Client: true})
	right := map[string]string{
		"TEMPORAL_TLS_CLIENT_CERT_PATH": shown, "TEMPORAL_TLS_CLIENT_KEY_PATH": shownKey, "TEMPORAL_TLS_SERVER_CA_CERT_PATH": ours.File,
	}
	for name, c := range map[string]struct {
		change map[string]string
		met    bool
	}{
		"right":             {nil, true},
		"foreign authority": {map[string]string{"TEMPORAL_TLS_SERVER_CA_CERT_PATH": foreign.File}, false},
		"no certificate":    {map[string]string{"TEMPORAL_TLS_CLIENT_CERT_PATH": "", "TEMPORAL_TLS_CLIENT_KEY_PATH": ""}, false},
		"another name":      {map[string]string{"TEMPORAL_TLS_SERVER_NAME": "temporal.example"}, false},
		"no TLS":            {map[string]string{"TEMPORAL_TLS": "false"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TEMPORAL_ADDRESS", address)
			for _, pairs := range []map[string]string{right, c.change} {
				for name, value := range pairs {
					t.Setenv(name, value)
				}
			}
			options, err := app.TemporalFromEnv()
			require.NoError(t, err)
			temporal, err := client.NewLazyClient(options)
			require.NoError(t, err)
			defer temporal.Close()
			limit := 30 * time.Second
			if !c.met {
				limit = 2 * time.Second // it would try until then
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			_, err = temporal.CheckHealth(ctx, &client.CheckHealthRequest{})
			require.Equal(t, c.met, err == nil, "%v", err)
		})
	}
}

func TestTemporalIsAlwaysVerified(t *testing.T) {
	t.Setenv("TEMPORAL_TLS", "true")
	t.Setenv("TEMPORAL_TLS_DISABLE_HOST_VERIFICATION", "true")
	_, err := app.TemporalFromEnv()
	require.ErrorIs(t, err, app.ErrConfig)
	require.ErrorContains(t, err, "TEMPORAL_TLS_SERVER_CA_CERT_PATH")
}
