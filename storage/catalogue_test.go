package storage_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/storage"
)

// list is a catalogue of n services that was fetched some minutes after noon.
func list(n, minutes int) storage.Catalogue {
	return storage.Catalogue{Partner: "processing", Content: fmt.Sprintf(`{"services":%d,"name":"Билайн <\u0000>"}`, n),
		Services: n, Broken: 3, FetchedAt: storage.At(noon.Add(time.Duration(minutes) * time.Minute))}
}

func saveList(t *testing.T, l *storage.Ledger, c storage.Catalogue) bool {
	t.Helper()
	saved, err := l.SaveCatalogue(t.Context(), c)
	require.NoError(t, err)
	return saved
}

// fetchedAt is the minute of the list that the ledger holds.
func fetchedAt(t *testing.T, l *storage.Ledger) int {
	t.Helper()
	c, err := l.Catalogue(t.Context(), "processing", time.Time{})
	require.NoError(t, err)
	return int(c.FetchedAt.Sub(noon) / time.Minute)
}

func TestCatalogueIsKept(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		_, err := l.Catalogue(t.Context(), "processing", time.Time{})
		require.ErrorIs(t, err, storage.ErrNotFound)

		want := list(7, 0)
		require.True(t, saveList(t, l, want))
		want.SHA256 = storage.Digest([]byte(want.Content))
		got, err := l.Catalogue(t.Context(), "processing", noon.Add(-time.Microsecond))
		require.NoError(t, err)
		require.Equal(t, want, got)

		_, err = l.Catalogue(t.Context(), "processing", noon)
		require.ErrorIs(t, err, storage.ErrNotFound, "nothing newer than what the reader holds")
		_, err = l.Catalogue(t.Context(), "another", time.Time{})
		require.ErrorIs(t, err, storage.ErrNotFound)

		another := list(1, 9)
		another.Partner = "another"
		require.True(t, saveList(t, l, another))
		require.Equal(t, 0, fetchedAt(t, l), "one row per partner")
	})
}

func TestOnlyANewerCatalogueReplaces(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		require.True(t, saveList(t, l, list(7, 5)))
		require.False(t, saveList(t, l, list(8, 5)), "the same instant")
		require.False(t, saveList(t, l, list(8, 4)), "one that was late")
		require.Equal(t, 5, fetchedAt(t, l))
		require.True(t, saveList(t, l, list(8, 6)))
		require.Equal(t, 6, fetchedAt(t, l))
	})
}

func TestAnEmptyCatalogueReplacesOnlyAnEmptyOne(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		require.True(t, saveList(t, l, list(0, 0)))
		require.True(t, saveList(t, l, list(0, 1)))
		require.True(t, saveList(t, l, list(7, 2)))
		require.False(t, saveList(t, l, list(0, 3)))
		require.Equal(t, 2, fetchedAt(t, l))
	})
}

// Whatever the order in which many save at once, the newest stays.
func TestCataloguesSavedAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		var all sync.WaitGroup
		for minute := range 20 {
			all.Go(func() {
				_, err := l.SaveCatalogue(t.Context(), list(1+minute%3, minute))
				require.NoError(t, err)
			})
		}
		all.Wait()
		require.Equal(t, 19, fetchedAt(t, l))
	})
}

func TestCatalogueIsBounded(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		require.True(t, saveList(t, l, list(7, 0)))
		large := list(7, 1)
		large.Content = strings.Repeat("x", storage.MaxCatalogue+1)
		_, err := l.SaveCatalogue(t.Context(), large)
		require.ErrorIs(t, err, storage.ErrCatalogueTooLarge)
		require.Equal(t, 0, fetchedAt(t, l))
	})
}

// A copy that something else wrote to is not handed out.
func TestADamagedCatalogueIsNoCatalogue(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ledger.db")
	l := open(t, "sqlite://"+file)
	require.True(t, saveList(t, l, list(7, 0)))
	other, err := sql.Open("sqlite", "file:"+file)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, other.Close()) })
	_, err = other.ExecContext(t.Context(), "UPDATE catalogues SET content = '{}'")
	require.NoError(t, err)
	_, err = l.Catalogue(t.Context(), "processing", time.Time{})
	require.ErrorContains(t, err, "sha256")
	require.True(t, saveList(t, l, list(7, 1)), "the next list replaces it")
	require.Equal(t, 1, fetchedAt(t, l))
}
