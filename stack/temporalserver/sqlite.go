package temporalserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/headers"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite" // registers plugin and driver
	"go.temporal.io/server/schema"
	sqliteschema "go.temporal.io/server/schema/sqlite"
)

// sqliteRuns numbers the starts of this process: see setup in sqliteStore.
var sqliteRuns atomic.Int64

// prepareSQLite returns persistence on the SQLite file, which afterwards exists
// with the schema of the linked server version.
//
// The server neither checks nor migrates a SQLite schema, so that a file of
// another version would fail later and oddly. A marker file beside it records
// the version; another or no marker is an error that says what to do. A missing
// file is set up anew, whatever the marker says.
func prepareSQLite(ctx context.Context, file string) (config.Persistence, error) {
	_, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = createSQLite(ctx, file)
	case err == nil:
		err = checkMarker(file)
	}
	if err != nil {
		return config.Persistence{}, err
	}
	return sqliteStore(file), nil
}

func markerFile(file string) string { return file + ".version" }

// marker is the text of the marker file: all that a file depends on.
func marker() string {
	return fmt.Sprintf("temporal server %s, sqlite schema %s, visibility schema %s",
		headers.ServerVersion, sqliteschema.Version, sqliteschema.VisibilityVersion)
}

func checkMarker(file string) error {
	found, err := os.ReadFile(markerFile(file))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	writer := strings.TrimSpace(string(found))
	if writer == marker() {
		return nil
	}
	if writer == "" {
		writer = "an unknown server version"
	}
	return fmt.Errorf("%s was written by %s, this program is %s: delete %s (no payment is lost: the ledger restarts open ones) or start with the old version",
		file, writer, marker(), file)
}

// createSQLite builds the file under another name, writes the marker, then
// renames. So a file of this name is complete and has its marker, wherever a
// crash happens.
func createSQLite(ctx context.Context, file string) error {
	building := file + ".new"
	// What a deleted or half-built file left behind. A write-ahead log of the
	// old file would be replayed into the new one.
	for _, leftover := range []string{building, building + "-journal", file + "-wal", file + "-shm"} {
		if err := os.Remove(leftover); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := writeSchema(ctx, building); err != nil {
		return fmt.Errorf("set up %s: %w", file, err)
	}
	if err := os.WriteFile(markerFile(file), []byte(marker()+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(building, file)
}

// writeSchema creates all tables in one transaction. The server's own set-up
// keeps its connection open for the life of the process, under the name the
// file has before the rename, and commits a hundred times.
func writeSchema(ctx context.Context, file string) (err error) {
	db, err := sql.Open("sqlite", uri(file)+"?_pragma=synchronous(FULL)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	for _, name := range []string{"sqlite/v3/temporal/schema.sql", "sqlite/v3/visibility/schema.sql"} {
		statements, err := fs.ReadFile(schema.Assets(), name)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, string(statements)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	return os.Chmod(file, 0o600)
}

func sqliteStore(file string) config.Persistence {
	store := config.SQL{
		PluginName:   sqlite.PluginName,
		DatabaseName: escape(file),
		// More than one connection gives "database is locked" by the thousand.
		MaxConns:     1,
		MaxIdleConns: 1,
		ConnectAttributes: map[string]string{
			"mode": "rw", // not rwc: createSQLite alone creates
			// Readers do not wait for the writer.
			"journal_mode": "wal",
			// In WAL mode the default, normal, may lose the last commits at
			// power loss.
			"synchronous": "full",
			// Milliseconds, for the moment another process checkpoints.
			"busy_timeout": "5000",
			// The plugin never closes a connection and finds it again by these
			// attributes; SQLite ignores this one. With a number of its own a
			// second start in one process sees the file as it is now, not one
			// deleted in between.
			"setup": strconv.FormatInt(sqliteRuns.Add(1), 10),
		},
	}
	return config.Persistence{
		DefaultStore:     "sqlite",
		VisibilityStore:  "sqlite",
		NumHistoryShards: shards,
		DataStores:       map[string]config.DataStore{"sqlite": {SQL: &store}},
	}
}

// uri and escape make a path survive as part of a SQLite URI.
func uri(file string) string { return "file:" + escape(file) }

func escape(file string) string {
	return strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(file)
}
