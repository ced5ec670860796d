package delivery

import (
	"bytes"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"text/template"
	"time"

	"github.com/Masterminds/sprig/v3"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/temporal"
	"gopkg.in/yaml.v3"

	"tolem/cmd/tolem/app"
	"tolem/stack/temporalserver"
	"tolem/storage/privatepostgres"
)

const (
	serverFile  = "../../temporal-config/server.yaml"
	dynamicFile = "../../temporal-config/dynamic.yaml"
)

// The server warns of a key that it does not know, or whose value it cannot use, and goes on
// without; nobody reads that.
func TestDynamicConfigurationIsKnown(t *testing.T) {
	text, err := os.ReadFile(dynamicFile)
	require.NoError(t, err)
	read := dynamicconfig.LoadYamlFile(text)
	require.Empty(t, read.Errors)
	require.Empty(t, read.Warnings)
	require.NotEmpty(t, read.Map)

	wrong := dynamicconfig.LoadYamlFile(append(text, "\nfrontend.enableSchedule:\n  - value: true\n"...))
	require.Len(t, wrong.Warnings, 1, "a misspelt key is noticed")
}

// The server's own reader ignores fields that it does not know.
func TestServerConfigurationHasNoUnknownField(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"least": {},
		"most": {"SQL_TLS_ENABLED": "true", "SQL_CA": "/ca.pem", "PROMETHEUS_ENDPOINT": "0.0.0.0:9090",
			"TEMPORAL_BROADCAST_ADDRESS": "10.0.0.1", "LOG_LEVEL": "warn"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("POSTGRES_SEEDS", "database")
			for name, value := range env {
				t.Setenv(name, value)
			}
			text, err := os.ReadFile(serverFile)
			require.NoError(t, err)
			page, err := template.New("").Funcs(sprig.FuncMap()).Parse(string(text))
			require.NoError(t, err)
			var rendered bytes.Buffer
			require.NoError(t, page.Execute(&rendered, nil))
			strict := yaml.NewDecoder(&rendered)
			strict.KnownFields(true)
			require.NoError(t, strict.Decode(new(config.Config)))

			loaded, err := config.Load(config.WithConfigFile(serverFile))
			require.NoError(t, err)
			require.NoError(t, loaded.Persistence.Validate())
			require.Equal(t, int32(128), loaded.Persistence.NumHistoryShards)
			require.Equal(t, "temporal_visibility", loaded.Persistence.DataStores["visibility"].SQL.DatabaseName)
			require.Equal(t, "database:5432", loaded.Persistence.DataStores["visibility"].SQL.ConnectAddr)
		})
	}
}

// A server runs with these files on PostgreSQL and can be set up.
func TestServerRunsWithItsFiles(t *testing.T) {
	database, err := privatepostgres.Start(t.Context(), privatepostgres.Options{})
	require.NoError(t, err)
	t.Cleanup(database.Stop)
	schema, err := temporalserver.Start(t.Context(), temporalserver.Options{
		PostgresURL: database.URL(), FrontendAddr: "127.0.0.1:0", Bare: true, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	schema.Stop() // it leaves both databases with their schema

	useDatabase(t, database.URL())
	port := strconv.Itoa(smallPort(t))
	frontend := net.JoinHostPort("127.0.0.1", port)
	t.Setenv("FRONTEND_GRPC_PORT", port)
	for _, name := range []string{"HISTORY_GRPC_PORT", "MATCHING_GRPC_PORT", "WORKER_GRPC_PORT", "FRONTEND_MEMBERSHIP_PORT",
		"HISTORY_MEMBERSHIP_PORT", "MATCHING_MEMBERSHIP_PORT", "WORKER_MEMBERSHIP_PORT"} {
		t.Setenv(name, strconv.Itoa(smallPort(t)))
	}
	t.Setenv("DYNAMIC_CONFIG_FILE_PATH", dynamicFile)
	configuration, err := config.Load(config.WithConfigFile(serverFile))
	require.NoError(t, err)
	server, err := temporal.NewServer(temporal.WithConfig(configuration), temporal.ForServices(temporal.DefaultServices),
		temporal.WithLogger(log.NewZapLogger(log.BuildZapLogger(log.Config{Stdout: true, Level: "warn"}))), temporal.WithAuthorizer(authorization.NewNoopAuthorizer()))
	require.NoError(t, err)
	require.NoError(t, server.Start())
	t.Cleanup(func() { require.NoError(t, server.Stop()) })

	require.Eventually(t, func() bool {
		c, err := client.DialContext(t.Context(), client.Options{HostPort: frontend, Logger: slog.New(slog.DiscardHandler)})
		if err == nil {
			c.Close()
		}
		return err == nil
	}, patience, 100*time.Millisecond)
	c, err := app.Read(func(string) string { return "" }, client.Options{HostPort: frontend, Namespace: "tolem"})
	require.NoError(t, err)
	done, err := app.Setup(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, "created, closed workflows are kept for 72h0m0s", done[0].Did)
	temporal, err := client.Dial(c.Temporal)
	require.NoError(t, err)
	t.Cleanup(temporal.Close)
	unusedAreRefused(t, temporal, "tolem", inventedEnd(1))
}

// nextPort counts through ports below the range from which systems take those of outgoing
// connections.
var nextPort = 20_000 + os.Getpid()*37%10_000

// smallPort is one that nobody listens on, and that fits where the server keeps those of its
// members: a smallint.
func smallPort(t *testing.T) int {
	t.Helper()
	for nextPort++; nextPort < 1<<15; nextPort++ {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(nextPort)))
		if err == nil {
			require.NoError(t, l.Close())
			return nextPort
		}
	}
	require.FailNow(t, "no port is free")
	return 0
}

// useDatabase leads the server's file to a database, its password in a file.
func useDatabase(t *testing.T, address string) {
	t.Helper()
	at, err := url.Parse(address)
	require.NoError(t, err)
	password, _ := at.User.Password()
	file := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(file, []byte(password+"\n"), 0o600))
	t.Setenv("POSTGRES_SEEDS", at.Hostname())
	t.Setenv("DB_PORT", at.Port())
	t.Setenv("POSTGRES_USER", at.User.Username())
	t.Setenv("POSTGRES_PWD_FILE", file)
}
