// Package build says which build of the program this is.
package build

import (
	"cmp"
	"runtime"
	"runtime/debug"
)

// commit and date are set by the linker where the source comes without its history, as in
// the image: -X tolem/cmd/tolem/build.commit=… -X tolem/cmd/tolem/build.date=…
var commit, date string

// unknown stands for what was not recorded when the program was built.
const unknown = "unknown"

// Info is what was built, when and by which Go.
type Info struct {
	Commit   string // of the source, whole; "unknown" where neither Go nor the linker recorded it
	Date     string // of that commit, RFC 3339; "unknown" likewise
	Modified bool   // the source differed from the commit
	Go       string // the version of Go
}

// Read says which build this is: by the linker's word, else by what Go recorded of the
// source's version control.
func Read() Info {
	recorded := map[string]string{}
	if program, ok := debug.ReadBuildInfo(); ok {
		for _, s := range program.Settings {
			recorded[s.Key] = s.Value
		}
	}
	return Info{
		Commit:   cmp.Or(commit, recorded["vcs.revision"], unknown),
		Date:     cmp.Or(date, recorded["vcs.time"], unknown),
		Modified: commit == "" && recorded["vcs.modified"] == "true",
		Go:       runtime.Version(),
	}
}

// String is the build in one line: "commit 4a98c74… of 2026-12-01T12:20:00Z, go1.26.10".
func (i Info) String() string {
	modified := ""
	if i.Modified {
		modified = ", modified"
	}
	return "commit " + i.Commit + " of " + i.Date + modified + ", " + i.Go
}
