// Package postgrestest gives each test a fresh PostgreSQL database.
//
// A package that uses it says so once:
//
//	func TestMain(m *testing.M) { postgrestest.Run(m) }
package postgrestest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tolem/storage/privatepostgres"
)

const statementLimit = time.Minute // creating or dropping a database takes 50 ms; a loaded machine takes longer

// shared is this process's one server, started by the first test that asks.
var shared struct {
	sync.Mutex
	server *privatepostgres.Server
	err    error // a start that failed is not tried again by every other test
}

// Run runs the package's tests and stops the server that they shared. Call it
// from TestMain, as its last act: when TestMain returns, the process ends with
// the tests' result. Without it the server ends with the process (on Linux), but
// its directory stays until a later start sweeps it.
func Run(m *testing.M) {
	defer stop() // after a panic in TestMain as well
	m.Run()
}

func stop() {
	shared.Lock()
	defer shared.Unlock()
	if shared.server != nil {
		shared.server.Stop()
		shared.server, shared.err = nil, errors.New("the shared PostgreSQL server was stopped by Run")
	}
}

// ForTest returns the URL of an empty database, which is dropped at the end of
// the test together with whatever still is connected to it.
//
// TEST_DATABASE_URL names a server to create it on; its user needs CREATEDB.
// Otherwise the tests of this process share one private server, started on
// first use. A missing PostgreSQL fails the test and says how to install it:
// storage that is not tested on PostgreSQL is not tested.
func ForTest(t testing.TB) string {
	t.Helper()
	admin, err := serverURL(t.Context())
	if err != nil {
		t.Fatalf("PostgreSQL for the test: %v", err)
	}
	name := "tolem_test_" + strings.ToLower(rand.Text())
	if err := execute(t.Context(), admin, "CREATE DATABASE "+name); err != nil {
		t.Fatalf("create the test's database: %v", err)
	}
	t.Cleanup(func() {
		// The test's own context is over by now.
		if err := execute(context.Background(), admin, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	database, err := onDatabase(admin, name)
	if err != nil {
		t.Fatal(err)
	}
	return database
}

// serverURL is the address of the database to create others from.
func serverURL(ctx context.Context) (string, error) {
	if given := os.Getenv("TEST_DATABASE_URL"); given != "" {
		return given, nil
	}
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = privatepostgres.Start(context.WithoutCancel(ctx), privatepostgres.Options{})
	}
	if shared.err != nil {
		return "", shared.err
	}
	return shared.server.URL(), nil
}

func onDatabase(server, name string) (string, error) {
	u, err := url.Parse(server)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return "", errors.New("TEST_DATABASE_URL must look like postgres://user:password@host:5432/postgres") // not quoted: it may hold a password
	}
	u.Path = "/" + name
	return u.String(), nil
}

func execute(ctx context.Context, server, statement string) error {
	ctx, cancel := context.WithTimeout(ctx, statementLimit)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }() // the statement has its own result
	_, err = conn.Exec(ctx, statement)
	return err
}
