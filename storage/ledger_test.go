package storage_test

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
	"tolem/storage/privatepostgres/postgrestest"
)

func TestMigrateTwiceAndAtOnce(t *testing.T) {
	for name, address := range map[string]string{
		"sqlite": "sqlite://" + filepath.Join(t.TempDir(), "ledger.db"), "postgres": postgrestest.ForTest(t),
	} {
		t.Run(name, func(t *testing.T) {
			l, err := storage.Open(t.Context(), address)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, l.Close()) })
			require.ErrorContains(t, l.CheckSchema(t.Context()), "tolem migrate")

			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					_, err := l.Migrate(t.Context())
					require.NoError(t, err)
				})
			}
			all.Wait()
			applied, err := l.Migrate(t.Context())
			require.NoError(t, err)
			require.Empty(t, applied)
			require.NoError(t, l.CheckSchema(t.Context()))
		})
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	for address, want := range map[string]string{
		"mysql://h/d": "want postgres://", "": "want postgres://", "sqlite://": "names no file",
		"postgres://u:hunter2@127.0.0.1:1/d?connect_timeout=1": "does not answer", "postgres://u:hunter2@:x/%%": "not a valid postgres:// URL",
		"sqlite:///no/such/folder/l.db": "does not answer",
	} {
		_, err := storage.Open(t.Context(), address)
		require.ErrorContains(t, err, want, address)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

// The file is the one that the address names, whatever characters its path has.
func TestOpenOddPaths(t *testing.T) {
	for _, name := range []string{"a#1.db", "a%20b.db", "кассовая книга.db", "a?b.db", "a&b=c.db"} {
		path := filepath.Join(t.TempDir(), name)
		accept(t, open(t, "sqlite://"+path), request("k"))
		require.FileExists(t, path)
	}
}

func TestAcceptKeepsEveryField(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		want := accept(t, l, request("k"))
		got := read(t, l, want.ID)
		require.Equal(t, want, got)
		require.Equal(t, domain.StateAccepted, got.State)
		require.Equal(t, noon, got.CreatedAt.Time)
		require.Equal(t, noon.UnixMilli(), int64(got.ID)/100_000)
	})
}

func TestAcceptIsUniquePerCallerAndKey(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		first := accept(t, l, request("k"))

		again, created, err := l.Accept(t.Context(), request("k"))
		require.NoError(t, err)
		require.False(t, created)
		require.Equal(t, first, again)

		other := request("k")
		other.RequestSHA256 = "another"
		_, _, err = l.Accept(t.Context(), other)
		require.ErrorIs(t, err, storage.ErrKeyReused)

		elsewhere := request("k")
		elsewhere.Caller = "another shop"
		require.NotEqual(t, first.ID, accept(t, l, elsewhere).ID)

		taken := request("new key")
		taken.ID = first.ID
		_, _, err = l.Accept(t.Context(), taken)
		require.ErrorIs(t, err, storage.ErrIDTaken)

		_, err = l.Payment(t.Context(), first.ID+99)
		require.ErrorIs(t, err, storage.ErrNotFound)
	})
}

// Fifty requests with one key at once are one payment; and fifty keys in one
// millisecond are fifty ids.
func TestAcceptConcurrently(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		var mu sync.Mutex
		created, ids := 0, map[domain.AgentTransactionID]bool{}
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				_, made, err := l.Accept(t.Context(), request("one"))
				require.NoError(t, err)
				p, _, err := l.Accept(t.Context(), request(strings.Repeat("k", i+1)))
				require.NoError(t, err)
				mu.Lock()
				defer mu.Unlock()
				ids[p.ID] = true
				if made {
					created++
				}
			})
		}
		all.Wait()
		require.Equal(t, 1, created)
		require.Len(t, ids, 50)
	})
}

// Payments of one millisecond get consecutive numbers, also across the end of a
// block.
func TestGeneratedIDsAreConsecutive(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		first := accept(t, l, request("first"))
		for i := range 150 {
			next := accept(t, l, request(strings.Repeat("k", i+1)))
			require.Equal(t, first.ID+domain.AgentTransactionID(i+1), next.ID)
		}
	})
}

// A caller's own id may be the one that the sequence makes next.
func TestGeneratedIDStepsAside(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		squatter := request("squatter")
		squatter.ID = domain.AgentTransactionID(noon.UnixMilli() * 100_000)
		accept(t, l, squatter)
		require.NotEqual(t, squatter.ID, accept(t, l, request("k")).ID)
	})
}

func TestPaymentsPageByCursorAndFilter(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		for i := range 25 {
			p := request(strings.Repeat("k", i+1))
			p.CreatedAt = storage.At(noon.Add(time.Duration(i/5) * time.Minute)) // five share an instant
			accepted := accept(t, l, p)
			if i%5 == 0 {
				_, err := end(l, accepted.ID, 1, domain.StateCancelled)
				require.NoError(t, err)
			}
		}
		seen, cursor, pages := map[domain.AgentTransactionID]bool{}, "", 0
		for {
			page, next, err := l.Payments(t.Context(), storage.PaymentFilter{}, cursor, 7)
			require.NoError(t, err)
			for i, p := range page {
				require.False(t, seen[p.ID])
				seen[p.ID] = true
				require.True(t, i == 0 || !page[i-1].CreatedAt.Before(p.CreatedAt.Time))
			}
			pages++
			if cursor = next; next == "" {
				break
			}
		}
		require.Len(t, seen, 25)
		require.Equal(t, 4, pages)

		count := func(f storage.PaymentFilter) int {
			page, _, err := l.Payments(t.Context(), f, "", 100)
			require.NoError(t, err)
			return len(page)
		}
		no := false
		require.Equal(t, 5, count(storage.PaymentFilter{States: []domain.State{domain.StateCancelled}}))
		require.Equal(t, 20, count(storage.PaymentFilter{States: domain.OpenStates(), Caller: "shop", ServiceID: "P1011", NeedsOperator: &no}))
		require.Equal(t, 10, count(storage.PaymentFilter{CreatedBefore: noon.Add(2 * time.Minute)}))
		require.Equal(t, 15, count(storage.PaymentFilter{CreatedAfter: noon.Add(2 * time.Minute)}))
		require.Equal(t, 8, count(storage.PaymentFilter{StuckSince: noon.Add(2 * time.Minute)}), "two of the ten have ended")
		require.Equal(t, 8, count(storage.PaymentFilter{StuckSince: noon.Add(2 * time.Minute), States: domain.OpenStates(), NeedsOperator: &no}))
		require.Equal(t, 0, count(storage.PaymentFilter{Caller: "nobody"}))
		code := domain.CodeSuccess
		require.Equal(t, 0, count(storage.PaymentFilter{ResultCode: &code}))

		for _, bad := range []string{"!", "bm90IGEgY3Vyc29y", strings.Repeat("A", 100)} {
			_, _, err := l.Payments(t.Context(), storage.PaymentFilter{}, bad, 7)
			require.ErrorIs(t, err, storage.ErrCursor)
		}

		open, err := l.OpenPayments(t.Context(), noon.Add(time.Hour), 0, 8)
		require.NoError(t, err)
		require.Len(t, open, 8)
		rest, err := l.OpenPayments(t.Context(), noon.Add(time.Hour), open[7].ID, 100)
		require.NoError(t, err)
		require.Len(t, rest, 12)
		require.Equal(t, domain.Ladder{Initial: time.Second, FactorMilli: 2000}, rest[0].Ladder())
		young, err := l.OpenPayments(t.Context(), noon, 0, 100)
		require.NoError(t, err)
		require.Empty(t, young)
	})
}
