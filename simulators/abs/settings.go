package abs

import (
	"slices"
	"time"

	"tolem/simulators/parts"
)

// The layouts of dates, as package time writes them.
const (
	LayoutOfExamples = time.DateOnly // "2020-01-01"
	LayoutOfText     = "2006.01.02"  // "ГГГГ.ММ.ДД"
)

// Spelling is how a Cyrillic file name stands in Content-Disposition.
type Spelling string

// The spellings.
const (
	SpelledUTF8        Spelling = "utf8"        // filename="Имяфайла.pdf", as the document has it
	SpelledRFC5987     Spelling = "rfc5987"     // filename*=UTF-8''%D0%98…
	SpelledWindows1251 Spelling = "windows1251" // filename="…" in bytes of Windows-1251
)

var spellings = []Spelling{SpelledUTF8, SpelledRFC5987, SpelledWindows1251}

// The formats of scans.
const (
	FormatPDF  = "pdf"
	FormatTIFF = "tiff"
)

// Settings are how the system behaves. They may be changed at any time.
type Settings struct {
	DateLayout string   `json:"dateLayout"` // the one layout that is accepted
	Spelling   Spelling `json:"spelling"`   // "" = follows from the contract
	Format     string   `json:"format"`     // of scans; "" = follows from the contract
}

// DefaultSettings are those of a new system: dates as in the document's examples.
func DefaultSettings() Settings { return Settings{DateLayout: LayoutOfExamples} }

func (s Settings) validate() error {
	switch {
	case s.DateLayout != LayoutOfExamples && s.DateLayout != LayoutOfText:
		return parts.Wrong("dateLayout", "must be %s or %s", LayoutOfExamples, LayoutOfText)
	case s.Spelling != "" && !slices.Contains(spellings, s.Spelling):
		return parts.Wrong("spelling", `must be utf8, rfc5987, windows1251 or ""`)
	case s.Format != "" && s.Format != FormatPDF && s.Format != FormatTIFF:
		return parts.Wrong("format", `must be pdf, tiff or ""`)
	}
	return nil
}

// change is what a request to change the settings names; the rest stays.
type change struct {
	DateLayout *string   `json:"dateLayout"`
	Spelling   *Spelling `json:"spelling"`
	Format     *string   `json:"format"`
}

func (c change) of(s Settings) Settings {
	if c.DateLayout != nil {
		s.DateLayout = *c.DateLayout
	}
	if c.Spelling != nil {
		s.Spelling = *c.Spelling
	}
	if c.Format != nil {
		s.Format = *c.Format
	}
	return s
}
