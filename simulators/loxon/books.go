package loxon

import (
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"

	"github.com/segmentio/kafka-go"
)

// The kinds of faults.
const (
	FaultMessage   = "message"   // the value is not a message of the document
	FaultKey       = "key"       // the key is not the contract
	FaultHeader    = "header"    // event-id or event-seq is missing, a header is there twice or not of its form
	FaultID        = "id"        // event-id is not contract/seq
	FaultGap       = "gap"       // a seq was left out that skipped-seq does not name
	FaultOrder     = "order"     // a seq that had been left out came late
	FaultChanged   = "changed"   // a known seq came with other bytes, another id or another skipped-seq
	FaultPartition = "partition" // a key left its partition
)

// Fault is one thing that was wrong with one record.
type Fault struct {
	Kind      string `json:"kind"`
	Field     string `json:"field,omitempty"` // of the message, or the header
	Problem   string `json:"problem"`
	Contract  string `json:"contract,omitempty"`
	Partition int    `json:"partition"`
	Offset    int64  `json:"offset"`
}

// Event is one message of a contract.
type Event struct {
	Seq        int64  `json:"seq"` // 0 = none that could be read
	ID         string `json:"id"`
	ProcessID  string `json:"processId,omitempty"`
	Skipped    string `json:"skipped,omitempty"` // the numbers directly before Seq that never come
	Partition  int    `json:"partition"`
	Offset     int64  `json:"offset"`     // of the first of equal ones
	Duplicates int    `json:"duplicates"` // how often it came again
	Faults     int    `json:"faults"`
	Message

	digest [sha256.Size]byte // of the value
}

// Contract is what arrived about one contract.
type Contract struct {
	Contract   string  `json:"contract"`
	Partition  int     `json:"partition"` // of the first message
	Last       int64   `json:"last"`      // highest seq
	Missing    int64   `json:"missing"`   // seqs below it that have not come
	Duplicates int     `json:"duplicates"`
	Faults     int     `json:"faults"`
	Events     []Event `json:"events,omitempty"` // in order of arrival, without duplicates
}

// Summary counts the books.
type Summary struct {
	Topic      string `json:"topic"`
	Partitions int    `json:"partitions"` // that are read
	Messages   int    `json:"messages"`   // records, duplicates among them
	Contracts  int    `json:"contracts"`
	Duplicates int    `json:"duplicates"`
	Gaps       int64  `json:"gaps"` // seqs that have not come, of all contracts
	Faults     int    `json:"faults"`
	Lag        int64  `json:"lag"` // records not read yet, as of the latest read of each partition
}

// maxFaults bounds the list of faults; all are counted.
const maxFaults = 10_000

// maxKey is the longest key or header that is kept, in bytes.
const maxKey = 1 << 10

// account is a contract in the books.
type account struct {
	Contract
	floor int64          // seqs up to it were deleted from the topic before we came
	seqs  map[int64]int  // index in Events
	gone  map[int64]bool // seqs that never come, by a skipped-seq
}

// place is how far a partition was read.
type place struct{ first, next, end int64 }

// books are all that was read. The caller holds the lock.
type books struct {
	accounts map[string]*account
	places   map[int]place
	faults   []Fault
	summary  Summary // Contracts, Gaps and Lag are counted when asked for
}

func newBooks(topic string) books {
	return books{accounts: map[string]*account{}, places: map[int]place{}, summary: Summary{Topic: topic}}
}

// arrival is one record on its way into the books.
type arrival struct {
	event Event
	key   string
	lost  bool // the oldest records of its partition were deleted
	wrong []Fault
}

func (a *arrival) fault(kind, field, problem string) {
	a.wrong = append(a.wrong, Fault{Kind: kind, Field: field, Problem: problem, Partition: a.event.Partition, Offset: a.event.Offset})
}

// take enters one record. Records of a partition come in the order of their offsets.
func (b *books) take(r kafka.Message) {
	at, known := b.places[r.Partition]
	if !known {
		at.first = r.Offset
	}
	at.next, at.end = r.Offset+1, max(r.HighWaterMark, r.Offset+1)
	b.places[r.Partition] = at
	b.summary.Messages++

	a := arrival{lost: at.first > 0}
	a.event = Event{Partition: r.Partition, Offset: r.Offset, digest: sha256.Sum256(r.Value)}
	var problems []problem
	a.event.Message, problems = read(r.Value)
	for _, p := range problems {
		a.fault(FaultMessage, p.field, p.text)
	}
	a.readKey(r.Key)
	a.readHeaders(r.Headers)
	if a.key != "" {
		b.enter(&a)
	}
	for _, f := range a.wrong {
		f.Contract = a.key
		b.summary.Faults++
		if len(b.faults) < maxFaults {
			b.faults = append(b.faults, f)
		}
	}
}

// readKey finds whom the record is about: the key, or without one the message's contract.
func (a *arrival) readKey(key []byte) {
	number := a.event.ContractNumber
	switch {
	case len(key) > maxKey:
		a.fault(FaultKey, "", "is over 1 KiB")
	case len(key) == 0:
		a.fault(FaultKey, "", "is missing")
	case number != "" && number != string(key):
		a.fault(FaultKey, "", "is not the message's contract_number")
	}
	a.key = number
	if len(key) > 0 && len(key) <= maxKey {
		a.key = string(key)
	}
}

func (a *arrival) readHeaders(headers []kafka.Header) {
	read := func(name string) string {
		value, count := "", 0
		for _, h := range headers {
			if h.Key == name {
				value, count = string(h.Value[:min(len(h.Value), maxKey+32)]), count+1
			}
		}
		switch {
		case count > 1:
			a.fault(FaultHeader, name, "is there twice")
		case value == "" && name != "process-id" && name != "skipped-seq":
			a.fault(FaultHeader, name, "is missing")
		}
		return value
	}
	a.event.ID, a.event.ProcessID = read("event-id"), read("process-id")
	a.event.Skipped = read("skipped-seq")
	text := read("event-seq")
	seq, err := strconv.ParseInt(text, 10, 64)
	if err == nil && seq >= 1 && strconv.FormatInt(seq, 10) == text {
		a.event.Seq = seq
	} else if text != "" {
		a.fault(FaultHeader, "event-seq", "is not a number from 1")
	}
	if a.event.Seq > 0 && a.event.ID != "" && a.event.ID != a.key+"/"+text {
		a.fault(FaultID, "event-id", "is not the contract, a slash and event-seq")
	}
	if first := a.firstSkipped(); first == 0 {
		a.fault(FaultHeader, "skipped-seq", "is not a list of the numbers directly before event-seq")
	}
}

// firstSkipped is the lowest number of the header skipped-seq, event-seq without one, and 0
// when it is not the list of the numbers directly before event-seq.
func (a *arrival) firstSkipped() int64 {
	if a.event.Skipped == "" {
		return max(a.event.Seq, 1)
	}
	texts := strings.Split(a.event.Skipped, ",")
	for i, text := range texts {
		want := a.event.Seq - int64(len(texts)-i)
		if want < 1 || text != strconv.FormatInt(want, 10) {
			return 0
		}
	}
	return a.event.Seq - int64(len(texts))
}

// enter puts an arrival into its contract's books, or counts it as a duplicate.
func (b *books) enter(a *arrival) {
	c := b.accounts[a.key]
	if c == nil {
		c = &account{Contract: Contract{Contract: a.key, Partition: a.event.Partition}, seqs: map[int64]int{}, gone: map[int64]bool{}}
		if a.lost {
			c.floor = max(a.event.Seq-1, 0)
			c.Last = c.floor
		}
		b.accounts[a.key] = c
	}
	if c.Partition != a.event.Partition {
		a.fault(FaultPartition, "", "the contract's first message is in partition "+strconv.Itoa(c.Partition))
	}
	defer func() { c.Faults += len(a.wrong) }()

	seq := a.event.Seq
	if index, seen := c.seqs[seq]; seen && seq > 0 {
		first := &c.Events[index]
		if first.digest == a.event.digest && first.ID == a.event.ID && first.Skipped == a.event.Skipped {
			first.Duplicates++
			c.Duplicates++
			b.summary.Duplicates++
			return
		}
		a.fault(FaultChanged, "", "event-seq "+strconv.FormatInt(seq, 10)+" came before with other bytes or other headers")
	} else if seq > 0 {
		c.seqs[seq] = len(c.Events)
		b.follow(c, a)
	}
	a.event.Faults = len(a.wrong)
	c.Events = append(c.Events, a.event)
}

// follow checks a new seq against the highest one.
func (b *books) follow(c *account, a *arrival) {
	seq, first := a.event.Seq, a.firstSkipped()
	if first == 0 {
		first = seq
	}
	for gone := first; gone < seq; gone++ {
		if _, came := c.seqs[gone]; !came && gone > c.floor {
			c.gone[gone] = true
		}
	}
	delete(c.gone, seq)
	switch {
	case seq <= c.floor: // older than the oldest we found
		c.floor = seq - 1
		a.fault(FaultOrder, "", "event-seq "+strconv.FormatInt(seq, 10)+" came after "+strconv.FormatInt(c.Last, 10))
	case seq < c.Last:
		a.fault(FaultOrder, "", "event-seq "+strconv.FormatInt(seq, 10)+" came after "+strconv.FormatInt(c.Last, 10))
	case first-1 > c.Last:
		a.fault(FaultGap, "", "event-seq "+strconv.FormatInt(seq, 10)+" follows "+strconv.FormatInt(c.Last, 10))
	}
	c.Last = max(c.Last, seq)
}

// missing is how many seqs up to the last have not come.
func (c *account) missing() int64 { return c.Last - c.floor - int64(len(c.seqs)+len(c.gone)) }

// view is a copy for others, with or without the events.
func (c *account) view(events bool) Contract {
	v := c.Contract
	v.Missing, v.Events = c.missing(), nil
	if events {
		v.Events = slices.Clone(c.Events)
	}
	return v
}

func (b *books) count() Summary {
	s := b.summary
	s.Contracts = len(b.accounts)
	for _, c := range b.accounts {
		s.Gaps += c.missing()
	}
	for _, p := range b.places {
		s.Lag += p.end - p.next
	}
	return s
}

func (b *books) list() []Contract {
	list := []Contract{}
	for _, c := range b.accounts {
		list = append(list, c.view(false))
	}
	slices.SortFunc(list, func(a, b Contract) int { return strings.Compare(a.Contract, b.Contract) })
	return list
}
