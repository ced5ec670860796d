package domain

import "time"

// Dates from outside are held to what every next stage can carry: from 2000, before which no
// process here began, to a day ahead of now, for callers whose clock or time zone is ahead.
const (
	firstDay  = "2000-01-01"
	firstYear = 2000
	dayAhead  = 24 * time.Hour
)

// DateRule is what AcceptableDay and AcceptableTime ask for, in words.
const DateRule = "from 2000-01-01 to one day ahead of now"

// AcceptableTime says whether an instant from outside is from 2000-01-01, in its own location,
// to one day after now.
func AcceptableTime(at, now time.Time) bool {
	return at.Year() >= firstYear && !at.After(now.Add(dayAhead))
}

// AcceptableDay says whether a text from outside is a day YYYY-MM-DD, from 2000-01-01 to one
// day after now; now is in the location that the day is meant in.
func AcceptableDay(day string, now time.Time) bool {
	_, err := time.Parse(time.DateOnly, day)
	return err == nil && day >= firstDay && day <= now.Add(dayAhead).Format(time.DateOnly)
}
