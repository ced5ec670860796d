package storage

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // registers "sqlite"; the driver Temporal's server links too, a second one of that name panics
)

func openPool(address string, onConnect connectionCheck) (*sql.DB, goose.Dialect, error) {
	switch {
	case strings.HasPrefix(address, "postgres://"), strings.HasPrefix(address, "postgresql://"):
		pool, err := openPostgres(address, onConnect)
		return pool, goose.DialectPostgres, err
	case strings.HasPrefix(address, "sqlite://"):
		pool, err := openSQLite(strings.TrimPrefix(address, "sqlite://"))
		return pool, goose.DialectSQLite3, err
	}
	scheme, _, _ := strings.Cut(address, ":")
	return nil, "", fmt.Errorf("the ledger's address begins with %q; want postgres://… or sqlite:///path/to/file", scheme)
}

func openSQLite(path string) (*sql.DB, error) {
	if path == "" {
		return nil, errors.New("the ledger's address names no file; want sqlite:///path/to/file")
	}
	pragmas := url.Values{
		"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(5000)", "foreign_keys(ON)"},
		"_txlock": {"immediate"}, // a read that turns into a write would fail with "locked" at once
	}
	escaped := (&url.URL{Path: path}).EscapedPath() // a # or % in it would otherwise name another file
	pool, err := sql.Open("sqlite", "file:"+escaped+"?"+pragmas.Encode())
	if err != nil {
		return nil, fmt.Errorf("open the ledger file: %w", err)
	}
	pool.SetMaxOpenConns(4) // one writes, the others read beside it (WAL)
	return pool, nil
}
