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

// GormDataType names the column type for gorm.
func (Timestamp) GormDataType() string { return "bigint" }
