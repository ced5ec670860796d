package temporalserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/postgresql"
	postgresschema "go.temporal.io/server/schema/postgresql/v12"
	"go.temporal.io/server/tools/common/schema"
	temporalsql "go.temporal.io/server/tools/sql"
)

// The two databases have the names every Temporal tool expects.
const (
	mainDatabase       = "temporal"
	visibilityDatabase = "temporal_visibility"
)

// Connections are per service, and there are four services: at most 72 of the
// 100 a PostgreSQL server allows by default; the ledger needs some too.
const (
	mainConnections       = 12
	visibilityConnections = 6
)

// createLimit is for a server that does not answer; a database takes 0.1 s.
const createLimit = 30 * time.Second

// preparePostgres returns persistence on the PostgreSQL server. Afterwards both
// databases exist with the schema of the linked server version: created, or
// migrated from an older one. A newer one is an error.
func preparePostgres(ctx context.Context, rawURL string, log *serverLog) (config.Persistence, error) {
	base, err := parsePostgresURL(rawURL)
	if err != nil {
		return config.Persistence{}, err
	}
	if err := createDatabases(ctx, rawURL); err != nil {
		return config.Persistence{}, err
	}
	stores := map[string]config.DataStore{}
	for _, d := range []struct {
		name, schema, version string
		connections           int
	}{
		{mainDatabase, "postgresql/v12/temporal", postgresschema.Version, mainConnections},
		{visibilityDatabase, "postgresql/v12/visibility", postgresschema.VisibilityVersion, visibilityConnections},
	} {
		store := base
		store.DatabaseName = d.name
		store.MaxConns, store.MaxIdleConns, store.MaxConnLifetime = d.connections, d.connections, time.Hour
		if err := migrate(store, d.schema, d.version, log); err != nil {
			return config.Persistence{}, fmt.Errorf("schema of database %s on %s: %w", d.name, base.ConnectAddr, err)
		}
		stores[d.name] = config.DataStore{SQL: &store}
	}
	return config.Persistence{
		DefaultStore:     mainDatabase,
		VisibilityStore:  visibilityDatabase,
		NumHistoryShards: shards,
		DataStores:       stores,
	}, nil
}

// parsePostgresURL returns how to connect to the server, without a database.
// Its errors never show the URL: it has a password.
func parsePostgresURL(rawURL string) (config.SQL, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return config.SQL{}, errors.New("PostgresURL is not of the form postgres://user:password@host:port/database")
	}
	attributes := map[string]string{}
	for key, values := range u.Query() {
		attributes[key] = values[0]
	}
	// As attributes, because the plugin does not escape a user name and escapes
	// a space in a password wrongly.
	if user := u.User.Username(); user != "" {
		attributes["user"] = user
	}
	if password, ok := u.User.Password(); ok {
		attributes["password"] = password
	}
	host, port := u.Hostname(), u.Port()
	if host == "" {
		host = "localhost" // an attribute "host", the directory of a socket, prevails
	}
	if port == "" {
		port = "5432"
	}
	return config.SQL{
		PluginName:        postgresql.PluginNamePGX, // lib/pq doubles PostgreSQL's CPU
		ConnectAddr:       net.JoinHostPort(host, port),
		ConnectProtocol:   "tcp",
		ConnectAttributes: attributes,
	}, nil
}

// createDatabases creates the two databases if they do not exist.
//
// It does not use the plugin's connection, which answers "no usable database
// connection found" whatever the reason, and which notices a missing database
// only when it is used.
func createDatabases(ctx context.Context, rawURL string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, createLimit)
	defer cancel()
	conn, err := pgx.Connect(ctx, rawURL)
	if err != nil {
		return err // names user, database, address and reason, not the password
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	for _, name := range []string{mainDatabase, visibilityDatabase} {
		var exists bool
		if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&exists); err != nil {
			return err
		}
		if exists {
			continue
		}
		if _, err := conn.Exec(ctx, "CREATE DATABASE "+name); err != nil {
			return fmt.Errorf("create database %s: %w", name, err)
		}
	}
	return nil
}

// migrate brings the database from whatever version it has, or none, to the
// given one. An interrupted migration is completed by the next.
func migrate(store config.SQL, name, version string, log *serverLog) error {
	conn, err := temporalsql.NewConnection(&store, log)
	if err != nil {
		return err
	}
	defer conn.Close()
	versions := &schema.SetupConfig{InitialVersion: "0.0"} // the version tables alone; an existing version stays
	if err := schema.NewSetupSchemaTask(conn, versions, log).Run(); err != nil {
		return err
	}
	found, err := conn.ReadSchemaVersion()
	if err != nil || found == version {
		return err
	}
	tables := &schema.UpdateConfig{DBName: store.DatabaseName, SchemaName: name, TargetVersion: version}
	return schema.NewUpdateSchemaTask(conn, tables, log).Run()
}
