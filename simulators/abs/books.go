package abs

import (
	"slices"
	"strings"
	"time"
)

// Request is one request as it arrived, and what became of it.
type Request struct {
	Number    int       `json:"number"` // from 1, in the order of arrival
	Time      time.Time `json:"time"`
	Call      string    `json:"call"`
	About     string    `json:"about,omitempty"`  // the IIN, IBAN or contract; "" = none legible
	IINBIN    string    `json:"iinbin,omitempty"` // of a scan, beside the contract
	Day       string    `json:"day,omitempty"`    // dt or dbz_dt, as it was written
	Fault     Fault     `json:"fault,omitempty"`
	Malformed bool      `json:"malformed,omitempty"`
	Processed bool      `json:"processed"`
	Status    int       `json:"status"`              // HTTP status that was decided; 0 = none
	ErrorCode int       `json:"errorCode,omitempty"` // likewise
	Whole     bool      `json:"whole"`               // what was asked for was sent, all of it
}

// record is one line of the journal.
type record struct {
	Request      *Request  `json:"request,omitempty"`
	Used         int       `json:"used,omitempty"` // number of the script that gave one answer
	Settings     *Settings `json:"settings,omitempty"`
	Script       *Script   `json:"script,omitempty"`
	Storm        *Storm    `json:"storm,omitempty"`
	ClearScripts bool      `json:"clearScripts,omitempty"`
	ClearStorms  bool      `json:"clearStorms,omitempty"`
}

// Counts are the requests of one call.
type Counts struct {
	Asked     int `json:"asked"`
	Whole     int `json:"whole"`     // got what they asked for, all of it
	Refused   int `json:"refused"`   // got an error_code, or 404 for a scan, malformed ones included
	Malformed int `json:"malformed"` // must be 0
}

// Scan is how often one contract's scan was asked for, and read.
type Scan struct {
	Contract string `json:"contract"`
	Asked    int    `json:"asked"`
	Read     int    `json:"read"` // sent, all of it; whether the reader stayed to the end is not known
}

// books is everything that survives a restart. It changes in apply only.
type books struct {
	settings Settings
	requests []Request
	counts   map[string]Counts // by call
	scans    map[string]Scan   // by contract
	seen     map[[2]string]int // requests so far of a call about a number

	scripts    []progress
	lastScript int
	storms     map[string]Storm
}

func newBooks(s Settings) books {
	return books{settings: s, counts: map[string]Counts{}, scans: map[string]Scan{}, seen: map[[2]string]int{}, storms: map[string]Storm{}}
}

func (b *books) apply(r record) {
	if r.Request != nil {
		b.enter(*r.Request)
	}
	if r.Settings != nil {
		b.settings = *r.Settings
	}
	if r.ClearScripts {
		b.scripts = nil
	}
	if r.ClearStorms {
		b.storms = map[string]Storm{}
	}
	if i := slices.IndexFunc(b.scripts, func(p progress) bool { return p.Number == r.Used }); i >= 0 {
		b.scripts[i].Used++
		if _, more := b.scripts[i].current(); !more {
			b.scripts = slices.Delete(b.scripts, i, i+1)
		}
	}
	if r.Script != nil {
		b.lastScript++
		b.scripts = append(b.scripts, progress{Number: b.lastScript, Script: *r.Script})
	}
	if r.Storm != nil {
		b.storms[r.Storm.Call] = *r.Storm
	}
}

// enter counts a request.
func (b *books) enter(r Request) {
	b.requests = append(b.requests, r)
	b.seen[[2]string{r.Call, r.About}]++
	c := b.counts[r.Call]
	c.Asked++
	if r.Whole {
		c.Whole++
	}
	if r.ErrorCode != 0 {
		c.Refused++
	}
	if r.Malformed {
		c.Malformed++
	}
	b.counts[r.Call] = c
	if r.Call != CallScan || r.About == "" {
		return
	}
	s := b.scans[r.About]
	s.Contract = r.About
	s.Asked++
	if r.Whole {
		s.Read++
	}
	b.scans[r.About] = s
}

// next is the scripted answer to a request and the number of its script, or what the storm
// has for it (number 0). The narrower script wins, of equals the older.
func (b *books) next(r Request) (Answer, int) {
	best, fit := -1, 0
	for i, p := range b.scripts {
		if m := p.Script.matches(r); m > fit {
			best, fit = i, m
		}
	}
	if best >= 0 {
		answer, _ := b.scripts[best].current()
		return answer, b.scripts[best].Number
	}
	if s, blows := b.storms[r.Call]; blows {
		fault, delay := s.Draw(r.About, b.seen[[2]string{r.Call, r.About}])
		return Answer{Fault: Fault(fault), DelayMs: delay}, 0
	}
	return Answer{}, 0
}

// Requests returns the requests about one number, in the order of arrival; "" = all.
func (s *System) Requests(about string) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Request{}
	for _, r := range s.books.requests {
		if about == "" || r.About == about {
			list = append(list, r)
		}
	}
	return list
}

// Scan returns what the books say of one contract's scan; nobody asked: zeros.
func (s *System) Scan(contract string) Scan {
	s.mu.Lock()
	defer s.mu.Unlock()
	scan := s.books.scans[contract]
	scan.Contract = contract
	return scan
}

// Scans returns every contract that was asked about, by number.
func (s *System) Scans() []Scan {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Scan{}
	for _, scan := range s.books.scans {
		list = append(list, scan)
	}
	slices.SortFunc(list, func(a, b Scan) int { return strings.Compare(a.Contract, b.Contract) })
	return list
}

// Totals of the books.
type Totals struct {
	Client    Counts `json:"client"`
	Accounts  Counts `json:"accounts"`
	Statement Counts `json:"statement"`
	Scan      Counts `json:"scan"`
	Down      bool   `json:"down"`
}

// Totals counts the books.
func (s *System) Totals() Totals {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.books.counts
	return Totals{Client: c[CallClient], Accounts: c[CallAccounts], Statement: c[CallStatement], Scan: c[CallScan], Down: s.down}
}
