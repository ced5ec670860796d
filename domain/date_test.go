package domain

import (
	"testing"
	"time"
)

func TestDatesFromOutside(t *testing.T) {
	almaty := time.FixedZone("+05", 5*3600)
	now := time.Date(2026, 2, 17, 23, 30, 0, 0, almaty)
	for day, want := range map[string]bool{
		"2000-01-01": true, "2026-02-17": true, "2026-02-18": true, "2024-02-29": true,
		"1999-12-31": false, "0000-01-01": false, "2026-02-19": false, "9999-12-31": false, "2026-02-30": false, "": false, "2026-2-1": false, "10000-01-01": false, "-001-01-01": false,
	} {
		if AcceptableDay(day, now) != want {
			t.Errorf("%q: %v", day, !want)
		}
	}
	if AcceptableDay("2026-02-19", now.UTC()) || !AcceptableDay("2026-02-19", now.Add(30*time.Minute)) {
		t.Error("a day is ahead of the day of now, in now's location")
	}
	for at, want := range map[time.Time]bool{
		time.Date(2000, 1, 1, 0, 0, 0, 0, almaty): true,
		now:                       true,
		now.Add(24 * time.Hour):   true,
		now.Add(24*time.Hour + 1): false,
		time.Date(1999, 12, 31, 23, 59, 59, 0, almaty): false,
		time.Date(0, 1, 1, 0, 0, 0, 0, almaty):         false,
		{}:                                             false,
		time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC):    false,
		time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC): false,
	} {
		if AcceptableTime(at, now) != want {
			t.Errorf("%s: %v", at, !want)
		}
	}
}
