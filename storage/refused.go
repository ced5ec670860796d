package storage

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// RefusedError is a database that answered, and refused a value or a statement: the same again
// is refused again. Every other error of a ledger may pass by itself.
type RefusedError struct {
	Code string // SQLSTATE, or SQLite's extended result code
	text string
}

// Error is what the ledger did and the code; the database's own words may quote a value.
func (e *RefusedError) Error() string { return e.text }

// Refused finds a refusal in an error; nil when there is none.
//
// On PostgreSQL these are the classes 22 (data exception: a NUL in a text, a number that is
// too large) and 42 (our SQL does not fit the schema), and a value that a column or a check
// forbids. What is unique or must exist depends on other rows, so it may pass.
func Refused(err error) *RefusedError {
	var onPostgres *pgconn.PgError
	var onSQLite *sqlite.Error
	switch {
	case errors.As(err, &onPostgres) && refusedByPostgres(onPostgres.Code):
		return refusal(err, onPostgres, "SQLSTATE "+onPostgres.Code)
	case errors.As(err, &onSQLite) && refusedBySQLite(onSQLite.Code()):
		return refusal(err, onSQLite, "SQLite "+strconv.Itoa(onSQLite.Code()))
	}
	return nil
}

func refusal(err, cause error, code string) *RefusedError {
	return &RefusedError{Code: code, text: strings.Replace(err.Error(), cause.Error(), "the database refused it: "+code, 1)}
}

func refusedByPostgres(code string) bool {
	switch {
	case code == "42501", // insufficient privilege: an administrator grants it
		code == "42P05": // a prepared statement of this name exists: a pooler gave us somebody else's session
		return false
	case code == "23502", code == "23514": // not null, check
		return true
	}
	return strings.HasPrefix(code, "22") || strings.HasPrefix(code, "42")
}

func refusedBySQLite(code int) bool {
	switch code {
	case sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_RANGE,
		sqlite3.SQLITE_CONSTRAINT_CHECK, sqlite3.SQLITE_CONSTRAINT_NOTNULL, sqlite3.SQLITE_CONSTRAINT_DATATYPE:
		return true
	}
	return false
}

// Storable says whether both databases keep a text as it is: PostgreSQL takes neither NUL nor
// what is not UTF-8.
func Storable(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") }
