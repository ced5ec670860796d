package verification

import (
	"context"
	"crypto/sha256"
	"slices"
	"strconv"

	"tolem/domain"
	"tolem/partners/loxon"
)

// topic is what Loxon's topic holds, as digests.
type topic struct {
	retained  map[int]loxon.Retained
	contracts map[string]*published // by contract number
}

// published is what the topic holds of one contract.
type published struct {
	last   int64 // highest number
	events map[int64]*publishedEvent
	late   []lateRepeat
	known  bool // the ledger has the contract
}

// publishedEvent is one event, with every place that it has in the topic.
type publishedEvent struct {
	digest  [sha256.Size]byte
	skipped string // the numbers that its header says are never published
	places  []place
}

// lateRepeat is an event that was repeated after a later one, as it may be where a restore lost
// that it was published.
type lateRepeat struct{ seq, after int64 }

type place struct {
	partition int
	offset    int64
}

func newTopic() *topic {
	return &topic{retained: map[int]loxon.Retained{}, contracts: map[string]*published{}}
}

// readTopic reads the topic, before the ledger is read: what is published meanwhile can only
// be missing here.
func (v *verifier) readTopic(ctx context.Context) error {
	if len(v.Loxon.Brokers) == 0 {
		v.report.Skipped = append(v.report.Skipped, "Loxon's topic")
		return nil
	}
	t := newTopic()
	var err error
	t.retained, err = loxon.ReadTopic(ctx, v.Loxon, func(r loxon.Record) error {
		v.take(t, r)
		return nil
	})
	v.topic = t
	return err
}

// take checks one record against those before it: numbers go up, and a duplicate is the same,
// its header skipped-seq included. What numbers are missing, and what is repeated later than
// directly after its first, is checked with the ledger, which says why.
func (v *verifier) take(t *topic, r loxon.Record) {
	v.report.Events++
	digest := sha256.Sum256(r.Value)
	contract, err := domain.ParseContractNumber(r.Key)
	id := contract.WorkflowID()
	if err != nil {
		v.report.check(EventOrder, "", false, "partition %d, offset %d: the key is no contract number", r.Partition, r.Offset)
		return
	}
	seq, err := strconv.ParseInt(r.Seq, 10, 64)
	v.report.check(EventOrder, id, err == nil && r.EventID == r.Key+"/"+r.Seq && r.ProcessID == id,
		"partition %d, offset %d: event-id, event-seq and process-id are not the contract's", r.Partition, r.Offset)
	of := t.contracts[r.Key]
	if of == nil {
		of = &published{events: map[int64]*publishedEvent{}}
		t.contracts[r.Key] = of
	}
	here := place{r.Partition, r.Offset}
	if earlier := of.events[seq]; earlier != nil {
		v.report.Repeated++
		v.report.check(EventBytes, id, earlier.digest == digest && earlier.skipped == r.Skipped, "event %d is repeated and is not the same", seq)
		if seq != of.last {
			of.late = append(of.late, lateRepeat{seq, of.last}) // whether it may be is checked with the ledger
		}
		earlier.places = append(earlier.places, here)
		return
	}
	v.report.check(EventOrder, id, seq > of.last, "event %d follows event %d", seq, of.last)
	of.last, of.events[seq] = max(of.last, seq), &publishedEvent{digest, r.Skipped, []place{here}}
}

// repeats checks that each duplicate of a contract came directly after its first, or that a
// restore may have lost that it was published: the ledger skipped numbers after it, and what came
// in between is from before those.
func (v *verifier) repeats(id string, of *published, skipped []int64) {
	for _, late := range of.late {
		lost := slices.ContainsFunc(gapsOf(skipped), func(g gap) bool { return late.seq < g.first && late.after <= g.last })
		v.report.check(EventOrder, id, lost, "event %d is repeated after event %d", late.seq, late.after)
	}
}

// taken says that the topic's retention took what was at a place.
func (t *topic) taken(at place) bool { return at.offset < t.retained[at.partition].First }

// strangeEvents finds contracts in the topic that the ledger does not have. It comes after
// the ledger's were checked.
func (v *verifier) strangeEvents(context.Context) error {
	if v.topic == nil {
		return nil
	}
	for contract, of := range v.topic.contracts {
		id, unknown := domain.ContractNumber(contract).WorkflowID(), 0
		for seq := range of.events {
			if !of.known && !v.restores.lostEvent(id, seq) {
				unknown++
			}
		}
		v.report.check(EventKnown, id, unknown == 0, "%s in the topic, and the ledger does not have the contract", count(unknown, "event"))
		if !of.known {
			v.repeats(id, of, nil)
		}
	}
	return nil
}
