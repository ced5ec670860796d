package storage_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/storage"
)

// Every instant that a ledger can hold is written as a time that readers of RFC 3339 read.
func TestTimestampsAsJSON(t *testing.T) {
	almaty := time.FixedZone("+05", 5*3600)
	for at, want := range map[time.Time]string{
		noon:                                   "2026-02-17T12:00:00.123456Z",
		time.Date(0, 1, 1, 0, 0, 0, 0, almaty): "0000-01-01T00:00:00Z", // the year before, in UTC
		time.Date(-290_000, 1, 1, 0, 0, 0, 0, time.UTC):  "0000-01-01T00:00:00Z",
		time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC): "9999-12-31T23:59:59Z",
		time.Date(12_026, 1, 1, 0, 0, 0, 0, time.UTC):    "9999-12-31T23:59:59.999999Z",
		time.UnixMicro(-1 << 63).UTC():                   "0000-01-01T00:00:00Z",
		time.UnixMicro(1<<63 - 1).UTC():                  "9999-12-31T23:59:59.999999Z",
		time.Date(0, 12, 31, 23, 59, 59, 1000, time.UTC): "0000-12-31T23:59:59.000001Z",
	} {
		raw, err := json.Marshal(struct{ At *storage.Timestamp }{&storage.Timestamp{Time: at}})
		require.NoError(t, err)
		require.JSONEq(t, `{"At":"`+want+`"}`, string(raw))
		_, err = time.Parse(time.RFC3339Nano, want)
		require.NoError(t, err)
	}
}
