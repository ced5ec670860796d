package storage_test

import (
	"database/sql"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
	"tolem/storage/privatepostgres/postgrestest"
)

// row is one of a batch; 0 lets the ledger make its id.
func row(index int, digest string, id domain.AgentTransactionID) storage.BatchRow {
	p := request("")
	p.RequestSHA256, p.ID = digest, id
	return storage.BatchRow{Index: index, Payment: p}
}

func rowsOf(n int) []storage.BatchRow {
	rows := make([]storage.BatchRow, n)
	for i := range rows {
		rows[i] = row(i, strconv.Itoa(i), 0)
	}
	return rows
}

func acceptBatch(t *testing.T, l *storage.Ledger, key string, rows ...storage.BatchRow) ([]storage.RowResult, domain.BatchID) {
	t.Helper()
	results, batch, err := l.AcceptBatch(t.Context(), "shop", key, rows)
	require.NoError(t, err)
	require.Len(t, results, len(rows))
	return results, batch
}

// stored counts the payments of a filter.
func stored(t *testing.T, l *storage.Ledger, f storage.PaymentFilter) int {
	t.Helper()
	page, _, err := l.Payments(t.Context(), f, "", 20_000)
	require.NoError(t, err)
	return len(page)
}

func TestBatchOfTenThousand(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		rows := rowsOf(10_000)
		first, batch := acceptBatch(t, l, "night", rows...)
		ids := map[domain.AgentTransactionID]bool{}
		for _, r := range first {
			require.True(t, r.Created)
			require.NoError(t, r.Err)
			require.Equal(t, domain.StateAccepted, r.State)
			ids[r.ID] = true
		}
		require.Len(t, ids, len(rows), "ids")
		require.Equal(t, len(rows), stored(t, l, storage.PaymentFilter{BatchID: batch}))

		again, same := acceptBatch(t, l, "night", rows...)
		require.Equal(t, batch, same)
		for i, r := range again {
			require.Equal(t, storage.RowResult{ID: first[i].ID, State: domain.StateAccepted}, r)
		}
		require.Equal(t, len(rows), stored(t, l, storage.PaymentFilter{}))

		after, pages := domain.AgentTransactionID(0), 0
		for ; ; pages++ {
			page, err := l.AcceptedOfBatch(t.Context(), batch, after, 500)
			require.NoError(t, err)
			for _, p := range page {
				require.Greater(t, p.ID, after)
				require.True(t, ids[p.ID])
				require.Equal(t, domain.Ladder{Initial: time.Second, FactorMilli: 2000}, p.Ladder())
				require.Equal(t, "P1011", p.ServiceID)
				delete(ids, p.ID)
				after = p.ID
			}
			if len(page) < 500 {
				break
			}
		}
		require.Equal(t, 20, pages)
		require.Empty(t, ids)
	})
}

func TestBatchKeepsEveryField(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		alone := read(t, l, accept(t, l, request("k")).ID)
		require.Nil(t, alone.BatchID)
		results, batch := acceptBatch(t, l, "k", row(0, "sha-k", 0))
		want := alone
		want.ID, want.BatchID, want.IdempotencyKey = results[0].ID, &batch, "k 0"
		require.Equal(t, want, read(t, l, results[0].ID), "but for its key, a row is a payment like any other")
		require.Equal(t, noon.UnixMilli(), int64(results[0].ID)/100_000)
	})
}

// What a row is answered depends on its place and request alone; refused rows
// hinder nobody, and can be mended.
func TestBatchIsResumable(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		taken := request("other")
		taken.ID = 70
		accept(t, l, taken)
		const none = domain.AgentTransactionID(0)
		first, batch := acceptBatch(t, l, "k",
			row(0, "a", 5), row(1, "b", none), row(2, "c", 70), row(3, "d", 5), row(4, "e", 6), row(9, "f", none))
		require.Equal(t, storage.RowResult{ID: 5, State: domain.StateAccepted, Created: true}, first[0])
		require.True(t, first[1].Created)
		require.Equal(t, storage.RowResult{Err: storage.ErrIDTaken}, first[2], "another payment's id")
		require.Equal(t, storage.RowResult{Err: storage.ErrIDTaken}, first[3], "an earlier row's id")
		require.True(t, first[4].Created)
		require.True(t, first[5].Created)
		_, err := end(l, 6, 1, domain.StateCancelled)
		require.NoError(t, err)

		accepted, err := l.AcceptedRows(t.Context(), "shop", "k")
		require.NoError(t, err)
		require.Equal(t, map[int]bool{0: true, 1: true, 4: true, 9: true}, accepted)

		second, same := acceptBatch(t, l, "k",
			row(0, "a", 5), row(1, "b'", none), row(2, "c", 71), row(3, "d", none), row(4, "e", 6), row(5, "x", 5))
		require.Equal(t, batch, same)
		require.Equal(t, storage.RowResult{ID: 5, State: domain.StateAccepted}, second[0])
		require.Equal(t, storage.RowResult{Err: storage.ErrKeyReused}, second[1], "another request in this place")
		require.Equal(t, storage.RowResult{ID: 71, State: domain.StateAccepted, Created: true}, second[2], "mended")
		require.True(t, second[3].Created, "mended")
		require.Equal(t, storage.RowResult{ID: 6, State: domain.StateCancelled}, second[4], "as it stands now")
		require.Equal(t, storage.RowResult{Err: storage.ErrIDTaken}, second[5], "the id of a row accepted earlier")
		require.Equal(t, 6, stored(t, l, storage.PaymentFilter{BatchID: batch}))
		page, err := l.AcceptedOfBatch(t.Context(), batch, 5, 10)
		require.NoError(t, err)
		require.Len(t, page, 4, "above 5, and not ended")

		third, _ := acceptBatch(t, l, "k", row(1, "b'", 81), row(2, "c'", 81))
		require.ErrorIs(t, third[0].Err, storage.ErrKeyReused)
		require.ErrorIs(t, third[1].Err, storage.ErrKeyReused)
		fourth, _ := acceptBatch(t, l, "k", row(1, "b'", 81), row(7, "g", 81))
		require.True(t, fourth[1].Created, "the id of a refused row is free")
	})
}

// Keys of batches and of payments accepted by themselves are kept apart, and so
// are callers'.
func TestBatchKeysAreTheirOwn(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		for _, key := range []string{"k", "k/0", "k-0", "k0"} {
			accept(t, l, request(key))
		}
		results, batch := acceptBatch(t, l, "k", rowsOf(2)...)
		require.True(t, results[0].Created && results[1].Created)
		others, _, err := l.AcceptBatch(t.Context(), "another shop", "k", rowsOf(2))
		require.NoError(t, err)
		require.True(t, others[0].Created && others[1].Created)
		_, another := acceptBatch(t, l, "k ", rowsOf(1)...)
		require.NotEqual(t, batch, another)
		empty, before := acceptBatch(t, l, "refused")
		require.Empty(t, empty)
		_, after := acceptBatch(t, l, "refused", rowsOf(1)...)
		require.Equal(t, before, after, "a batch is there before its first payment")
		accepted, err := l.AcceptedRows(t.Context(), "shop", "unknown")
		require.NoError(t, err)
		require.Empty(t, accepted)
	})
}

// withSQL is onBoth with a connection of the test's own beside the ledger.
func withSQL(t *testing.T, test func(t *testing.T, l *storage.Ledger, db *sql.DB, dialect string)) {
	t.Helper()
	for dialect, address := range map[string]string{
		"sqlite": filepath.Join(t.TempDir(), "ledger.db"), "pgx": postgrestest.ForTest(t),
	} {
		t.Run(dialect, func(t *testing.T) {
			db, err := sql.Open(dialect, address)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, db.Close()) })
			if dialect == "sqlite" {
				address = "sqlite://" + address
			}
			test(t, open(t, address), db, dialect)
		})
	}
}

// A failure in the last statement leaves nothing of the ones before it.
func TestBatchIsAllOrNothing(t *testing.T) {
	withSQL(t, func(t *testing.T, l *storage.Ledger, db *sql.DB, dialect string) {
		_, err := db.ExecContext(t.Context(), map[string]string{
			"sqlite": `CREATE TRIGGER poison BEFORE INSERT ON payments WHEN NEW.account = 'poison' BEGIN SELECT RAISE(FAIL, 'no space left'); END`,
			"pgx":    `ALTER TABLE payments ADD CONSTRAINT poison CHECK (account <> 'poison')`,
		}[dialect])
		require.NoError(t, err)
		rows := rowsOf(1_700)
		for i := range rows {
			rows[i].Payment.ID = domain.AgentTransactionID(i + 1) // inserted in this order
		}
		rows[1_690].Payment.Account = "poison"
		_, _, err = l.AcceptBatch(t.Context(), "shop", "k", rows)
		require.ErrorContains(t, err, "accept batch")
		require.NotContains(t, err.Error(), rows[0].Payment.FullName)
		require.Zero(t, stored(t, l, storage.PaymentFilter{}))

		rows[1_690].Payment.Account = "7770017711"
		results, _ := acceptBatch(t, l, "k", rows...)
		for _, r := range results {
			require.True(t, r.Created)
		}
	})
}

// The same batch twenty times at once, and others that choose its ids in another
// order: each row is accepted once, whoever is first, and nobody waits for ever.
func TestBatchesAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		forth, back := rowsOf(60), rowsOf(60)
		for i := range forth {
			forth[i].Payment.ID, back[59-i].Payment.ID = domain.AgentTransactionID(i+1), domain.AgentTransactionID(i+1)
		}
		var mu sync.Mutex
		created := map[string]int{}
		var all sync.WaitGroup
		run := func(key string, rows []storage.BatchRow) {
			all.Go(func() {
				results, _, err := l.AcceptBatch(t.Context(), "shop", key, rows)
				require.NoError(t, err)
				mu.Lock()
				defer mu.Unlock()
				for _, r := range results {
					require.True(t, r.Created || r.ID != 0 || r.Err != nil)
					if r.Created {
						created[key]++
					}
				}
			})
		}
		for range 20 {
			run("numbered", rowsOf(120))
			run("forth", forth)
			run("back", back)
		}
		all.Wait()
		require.Equal(t, 120, created["numbered"])
		require.Equal(t, 60, created["forth"]+created["back"], "each id once")
		require.Equal(t, 180, stored(t, l, storage.PaymentFilter{}))
	})
}

// A number that the sequence makes next may be chosen, in the ledger or in the
// batch itself: generated ids step aside, chosen ones do not.
func TestBatchStepsAside(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		base := domain.AgentTransactionID(noon.UnixMilli() * 100_000)
		squatters := make([]storage.BatchRow, 0, 300)
		for i := range 300 {
			squatters = append(squatters, row(i, "s", base+domain.AgentTransactionID(i*2))) // every other number
		}
		results, _ := acceptBatch(t, l, "squatters", squatters...)
		for i, r := range results {
			require.Equal(t, squatters[i].Payment.ID, r.ID)
		}
		rows := rowsOf(300)
		for i := 0; i < 300; i += 3 {
			rows[i].Payment.ID = base + domain.AgentTransactionID(101+2*(i/3)) // the odd numbers of blocks 1 and 2, which come next
		}
		results, batch := acceptBatch(t, l, "k", rows...)
		for i, r := range results {
			require.True(t, r.Created, "row %d", i)
			if rows[i].Payment.ID != 0 {
				require.Equal(t, rows[i].Payment.ID, r.ID)
			}
			require.Equal(t, batch, *read(t, l, r.ID).BatchID)
		}
	})
}

// The sequence of numbers goes round within a batch, at its end and its beginning.
func TestBatchNumbersGoRound(t *testing.T) {
	withSQL(t, func(t *testing.T, l *storage.Ledger, db *sql.DB, dialect string) {
		_, err := db.ExecContext(t.Context(), map[string]string{
			"sqlite": "UPDATE payment_numbers SET last = 992", "pgx": "SELECT setval('payment_numbers', 992)",
		}[dialect])
		require.NoError(t, err)
		numbers := map[int64]bool{}
		for i := range 3 { // the batch's own id, of this time, takes block 993
			results, _ := acceptBatch(t, l, strconv.Itoa(i), rowsOf(400)...)
			for _, r := range results {
				require.Equal(t, noon.UnixMilli(), int64(r.ID)/100_000)
				numbers[int64(r.ID)%100_000] = true
			}
		}
		require.Len(t, numbers, 1_200)
		for _, n := range []int64{99_400, 99_999, 0, 599} {
			require.True(t, numbers[n], "number %d", n)
		}
	})
}
