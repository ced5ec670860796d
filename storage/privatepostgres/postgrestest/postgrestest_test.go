package postgrestest

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tolem/storage/privatepostgres"
)

func TestMain(m *testing.M) { Run(m) }

func TestEachTestHasADatabaseOfItsOwn(t *testing.T) {
	first := ""
	t.Run("inner", func(t *testing.T) {
		first = ForTest(t)
		second := ForTest(t)
		if first == second {
			t.Fatal("two calls share a database")
		}
		if err := execute(t.Context(), first, "CREATE TABLE mine (id BIGINT)"); err != nil {
			t.Error(err)
		}
		if err := execute(t.Context(), second, "CREATE TABLE mine (id BIGINT)"); err != nil {
			t.Error(err)
		}
		idle, err := pgx.Connect(t.Context(), first) // the test forgets to close it
		if err != nil {
			t.Fatal(err)
		}
		_ = idle
	})
	if err := execute(t.Context(), first, "SELECT 1"); err == nil {
		t.Error("the database is still there after its test")
	}
}

func TestServerFromTheEnvironment(t *testing.T) {
	s, err := privatepostgres.Start(t.Context(), privatepostgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	t.Setenv("TEST_DATABASE_URL", s.URL())
	given, _, _ := strings.Cut(s.URL(), "/postgres?")
	if url := ForTest(t); !strings.HasPrefix(url, given+"/tolem_test_") || !strings.HasSuffix(url, "?sslmode=disable") {
		t.Errorf("database %s is not on %s", url, given)
	}
}

const childMark = "TOLEM_TEST_WITHOUT_POSTGRES"

// A missing PostgreSQL must fail a test and not skip it. Only another process
// can show that: the failure is the point.
func TestMissingPostgreSQLFailsTheTest(t *testing.T) {
	if os.Getenv(childMark) != "" {
		shared.Lock()
		shared.err = privatepostgres.ErrNotFound // as Start returns it where there is none
		shared.Unlock()
		ForTest(t)
		return
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	child.Env = append(os.Environ(), childMark+"=1", "TEST_DATABASE_URL=")
	printed, err := child.CombinedOutput()
	if err == nil || !strings.Contains(string(printed), "--- FAIL") || !strings.Contains(string(printed), "apt-get install") {
		t.Errorf("the test without PostgreSQL: %v, printed\n%s", err, printed)
	}
}
