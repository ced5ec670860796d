// Package timezone loads time zones from the data that is linked into the program, and from
// nowhere else: what a day is must not depend on the zone files of the machine. Those of
// before March 2024 have Almaty at +06:00, and payments between 23:00 and 24:00 on the next day.
//
// time.LoadLocation with time/tzdata cannot do this: it asks ZONEINFO, the system and Go's own
// directory first. The file is the one of the Go release that go.mod names; a test fails when
// it is not.
package timezone

import (
	"archive/zip"
	"bytes"
	_ "embed"
	"fmt"
	"io/fs"
	"time"
)

//go:generate sh -c "cp \"$(go env GOROOT)/lib/time/zoneinfo.zip\" . && chmod 644 zoneinfo.zip"

//go:embed zoneinfo.zip
var zones []byte

// Load returns the time zone of an IANA name such as Asia/Almaty. "Local" is none: it would be
// another one on another machine.
func Load(name string) (*time.Location, error) {
	archive, err := zip.NewReader(bytes.NewReader(zones), int64(len(zones)))
	if err != nil {
		return nil, fmt.Errorf("linked time zones: %w", err)
	}
	data, err := fs.ReadFile(archive, name)
	if err != nil {
		return nil, fmt.Errorf("unknown time zone %q; want an IANA name such as Asia/Almaty", name)
	}
	return time.LoadLocationFromTZData(name, data)
}
