package operator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// clock is when and where somebody looks.
type clock struct {
	now  time.Time
	zone *time.Location
}

func (o Options) clock() clock { return clock{o.Now(), o.Zone} }

// name is the zone's abbreviation now, for a column's head.
func (c clock) name() string { return c.now.In(c.zone).Format("MST") }

// age is how long ago t was, in its largest units: 45s, 12m, 3h05m, 9d4h.
func (c clock) age(t time.Time) string { return length(c.now.Sub(t)) }

func length(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}

// at is t in the zone, with its day when that is another than today.
func (c clock) at(t time.Time) string {
	local, today := t.In(c.zone), c.now.In(c.zone)
	if local.Format(time.DateOnly) == today.Format(time.DateOnly) {
		return local.Format(time.TimeOnly)
	}
	return local.Format(time.DateTime)
}

// due is when something happens next; "" when nothing is planned.
func (c clock) due(t *time.Time) string {
	switch {
	case t == nil:
		return ""
	case t.After(c.now):
		return c.at(*t) + " (in " + length(t.Sub(c.now)) + ")"
	}
	return c.at(*t) + " (due)"
}

// past is when something happened, and how long ago.
func (c clock) past(t time.Time) string {
	return c.at(t) + " " + c.name() + " (" + c.age(t) + " ago)"
}

// listing is one list of the API as a table.
type listing struct {
	head  func(clock) []string
	cells func(json.RawMessage, clock) ([]string, error)
}

// tableOf is the table of rows of one shape.
func tableOf[V any](head func(clock) []string, cells func(V, clock) []string) listing {
	return listing{head, func(raw json.RawMessage, c clock) ([]string, error) {
		var v V
		if err := json.Unmarshal(raw, &v); err != nil {
			return nil, fmt.Errorf("the API's answer is not understood: %w", err)
		}
		return cells(v, c), nil
	}}
}

// write prints the rows, aligned, behind an indent.
func (l listing) write(w io.Writer, rows []json.RawMessage, c clock, indent string) error {
	lines := [][]string{l.head(c)}
	for _, raw := range rows {
		cells, err := l.cells(raw, c)
		if err != nil {
			return err
		}
		lines = append(lines, cells)
	}
	return align(w, lines, indent)
}

// align prints lines of cells in columns, without spaces at their ends.
func align(w io.Writer, lines [][]string, indent string) error {
	var b bytes.Buffer
	columns := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, cells := range lines {
		for i, cell := range cells {
			if cells[i] = clean(cell); cells[i] == "" {
				cells[i] = "-"
			}
		}
		fmt.Fprintln(columns, strings.Join(cells, "\t"))
	}
	if err := columns.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(b.String()) {
		if _, err := fmt.Fprintln(w, indent+strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// clean is text of others without what would move a terminal's cursor.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}

// joined puts what there is of the words side by side.
func joined(words ...string) string {
	var there []string
	for _, w := range words {
		if w != "" {
			there = append(there, w)
		}
	}
	return strings.Join(there, ", ")
}
