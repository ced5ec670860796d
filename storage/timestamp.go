package storage

import (
	"database/sql/driver"
	"fmt"
	"time"
)

// Timestamp is a UTC instant, stored as microseconds since 1970 in both
// databases: their own time types differ in precision, zone and order.
type Timestamp struct{ time.Time }

// At cuts an instant to what the ledger keeps.
func At(t time.Time) Timestamp { return Timestamp{t.UTC().Truncate(time.Microsecond)} }

// Value stores microseconds.
func (t Timestamp) Value() (driver.Value, error) { return t.UnixMicro(), nil }

// Scan reads microseconds.
func (t *Timestamp) Scan(src any) error {
	micros, ok := src.(int64)
	if !ok {
		return fmt.Errorf("timestamp: the ledger holds a %T, not microseconds", src)
	}
	t.Time = time.UnixMicro(micros).UTC()
	return nil
}

// The first and the last instant that RFC 3339 writes.
var (
	firstWritable = time.Date(0, time.January, 1, 0, 0, 0, 0, time.UTC)
	lastWritable  = time.Date(9999, time.December, 31, 23, 59, 59, 999_999_000, time.UTC)
)

// MarshalJSON writes RFC 3339. What an older version stored from outside the years 0 to 9999 is
// shown as the nearest instant inside: one such row must not hide all others of its list.
func (t Timestamp) MarshalJSON() ([]byte, error) {
	switch {
	case t.Before(firstWritable):
		return firstWritable.MarshalJSON()
	case t.After(lastWritable):
		return lastWritable.MarshalJSON()
	}
	return t.Time.MarshalJSON()
}

// GormDataType names the column type for gorm.
func (Timestamp) GormDataType() string { return "bigint" }
