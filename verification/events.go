package verification

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tolem/domain"
	"tolem/storage"
)

// events checks a contract's events: their numbers in the ledger, and what the topic holds of
// them. unsent is how many Loxon does not have yet.
func (v *verifier) events(r storage.CollectionRecord) (unsent int) {
	id := r.Contract.WorkflowID()
	numbered := byNumber(r.Statuses)
	missing := gaps(r.LastSeq, numbered)
	v.report.expect(EventOrder, id, v.restores.numbers(r.Orders, missing))
	v.report.check(EventOrder, id, int64(len(numbered)) == r.LastSeq-int64(len(missing)), "of %d event numbers %d are missing and %d are there", r.LastSeq, len(missing), len(numbered))
	v.report.expect(EventOrder, id, sendingOrder(numbered))
	v.setAsideByPeople(id, r, numbered)
	if v.topic != nil {
		v.compareTopic(id, r, numbered, missing)
	}
	late := v.unsent(r, numbered, &unsent)
	v.report.check(EventsSent, id, late == 0, "%s of ended payment orders not sent", count(late, "event"))
	if v.AllEnded && late == 0 {
		v.report.check(Ended, id, unsent == 0, "%s not sent", count(unsent, "event"))
	}
	return unsent
}

// byNumber are the events that have a number, in its order.
func byNumber(statuses []storage.PaymentOrderEvent) []storage.PaymentOrderEvent {
	var numbered []storage.PaymentOrderEvent
	for _, e := range statuses {
		if e.Seq != nil {
			numbered = append(numbered, e)
		}
	}
	slices.SortFunc(numbered, func(a, b storage.PaymentOrderEvent) int { return cmp.Compare(*a.Seq, *b.Seq) })
	return numbered
}

// gaps are the numbers up to the last one that no event has.
func gaps(last int64, numbered []storage.PaymentOrderEvent) (missing []int64) {
	next := int64(1)
	for _, e := range numbered {
		for ; next < *e.Seq; next++ {
			missing = append(missing, next)
		}
		next = *e.Seq + 1
	}
	for ; next <= last; next++ {
		missing = append(missing, next)
	}
	return missing
}

// sendingOrder says what was published before an earlier event was; "" when nothing was. An
// event that two people set aside holds up nobody.
func sendingOrder(numbered []storage.PaymentOrderEvent) string {
	var waiting *storage.PaymentOrderEvent
	for i := range numbered {
		switch e := &numbered[i]; {
		case e.ToldAt == nil && !setAside(*e) && waiting == nil:
			waiting = e
		case e.ToldAt != nil && waiting != nil:
			return fmt.Sprintf("event %d was published before event %d", *e.Seq, *waiting.Seq)
		}
	}
	return ""
}

// setAside says that two people recorded that an event is never published.
func setAside(e storage.PaymentOrderEvent) bool { return e.SetAsideAt != nil }

// setAsideByPeople checks that two people asked for each event that is set aside, that one which
// may have been published was looked for in the topic, and that what was published next names
// it, and no other.
func (v *verifier) setAsideByPeople(id string, r storage.CollectionRecord, numbered []storage.PaymentOrderEvent) {
	var skipped []string
	for _, e := range numbered {
		if setAside(e) {
			skipped = append(skipped, strconv.FormatInt(*e.Seq, 10))
			v.report.expect(TwoPeople, id, approval{
				event: string(domain.EffectSetAside), action: domain.ActionSetAside, effect: domain.EffectSetAside, undone: []string{string(domain.EffectDeclined)},
			}.wants(about(r.ProcessRecord, func(a storage.Action) bool { return a.EventID == nil || *a.EventID == e.ID })))
			v.report.check(StateFollows, id, e.Message == nil || e.AbsentAt != nil, "event %d may have been published, and was set aside without a look at the topic", *e.Seq)
			continue
		}
		names := strings.Join(skipped, ",")
		v.report.check(EventOrder, id, e.Message == nil || e.SkippedSeqs == names, "event %d names %q as set aside, and the ledger has %q before it", *e.Seq, e.SkippedSeqs, names)
		skipped = nil
	}
}

// about is a contract's record without the actions on other events, or other payment orders.
func about(r storage.ProcessRecord, this func(storage.Action) bool) storage.ProcessRecord {
	kept := r
	kept.Actions, kept.Events = nil, nil
	for _, a := range r.Actions {
		if this(a) {
			kept.Actions = append(kept.Actions, a)
		}
	}
	for _, e := range r.Events {
		if e.ActionID == nil || actionOf(kept, e) != nil || actionOf(r, e) == nil {
			kept.Events = append(kept.Events, e)
		}
	}
	return kept
}

// compareTopic compares a contract's events with what the topic holds of them. skipped are the
// numbers that the ledger has not given.
func (v *verifier) compareTopic(id string, r storage.CollectionRecord, numbered []storage.PaymentOrderEvent, skipped []int64) {
	of := v.topic.contracts[string(r.Contract)]
	if of == nil {
		of = &published{}
	}
	of.known = true
	var missing, strange []int64
	ours := map[int64]bool{}
	for _, e := range numbered {
		ours[*e.Seq] = true
		there := of.events[*e.Seq]
		switch at := (place{e.TopicPartition, e.TopicOffset}); {
		case there != nil && setAside(e):
			v.report.check(EventKnown, id, noted(r.ProcessRecord, domain.ReasonPublishedAside), "event %d is in the topic, and two people set it aside", *e.Seq)
		case there != nil:
			v.report.check(EventBytes, id, there.digest == sha256.Sum256(e.Message), "event %d in the topic is not what the ledger has", *e.Seq)
			v.report.check(EventOrder, id, there.skipped == e.SkippedSeqs, "event %d in the topic names %q as set aside, and in the ledger %q", *e.Seq, there.skipped, e.SkippedSeqs)
			v.report.check(EventPlace, id, e.ToldAt == nil || slices.Contains(there.places, at) || v.topic.taken(at),
				"event %d is not at partition %d, offset %d", *e.Seq, at.partition, at.offset)
		case e.ToldAt != nil && !v.topic.taken(at):
			missing = append(missing, *e.Seq)
		}
	}
	for seq := range of.events {
		_, inGap := slices.BinarySearch(skipped, seq)
		if !ours[seq] && !(inGap && v.restores.lostEvent(id, seq)) {
			strange = append(strange, seq)
		}
	}
	v.repeats(id, of, skipped)
	slices.Sort(strange)
	v.report.check(EventMissing, id, len(missing) == 0, "the ledger has event %s as published, and the topic does not hold it", list(missing))
	v.report.check(EventKnown, id, len(strange) == 0, "event %s is in the topic and not in the ledger", list(strange))
}

// unsent counts into all the events that Loxon does not have yet, and returns how many of
// them are late: their payment orders ended longer ago than the grace, nobody holds the
// contract, and nobody proposes to set them aside.
func (v *verifier) unsent(r storage.CollectionRecord, numbered []storage.PaymentOrderEvent, all *int) (late int) {
	orders := map[int64]storage.PaymentOrder{}
	for _, o := range r.Orders {
		orders[o.ID] = o
	}
	held := len(r.Orders) > 0 && r.Orders[len(r.Orders)-1].Held
	for _, e := range numbered {
		if e.ToldAt != nil || setAside(e) {
			continue
		}
		*all++
		o := orders[e.OrderID]
		since := latest(&e.ReceivedAt, o.SentAt, o.EndedAt)
		proposed := e.AsideUntil != nil && e.AsideUntil.After(v.began) // a second person's word is awaited
		if o.State.Terminal() && !held && !proposed && v.began.Sub(since) > v.Grace {
			late++
		}
	}
	return late
}

// latest is the last of some instants; nil ones do not count.
func latest(instants ...*storage.Timestamp) (last time.Time) {
	for _, at := range instants {
		if at != nil && at.After(last) {
			last = at.Time
		}
	}
	return last
}

// list is some numbers as people read them, the first few of many.
func list(numbers []int64) string {
	const few = 5
	texts := make([]string, 0, few)
	for i, n := range numbers {
		if i == few {
			return strings.Join(texts, ", ") + fmt.Sprintf(" and %d more", len(numbers)-few)
		}
		texts = append(texts, strconv.FormatInt(n, 10))
	}
	return strings.Join(texts, ", ")
}
