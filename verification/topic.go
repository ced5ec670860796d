package verification

import (
	"context"
	"crypto/sha256"
	"strconv"

	"tolem/domain"
	"tolem/partners/loxon"
)

// topic is what Loxon's topic holds, as digests.
type topic struct {
	retained map[int]loxon.Retained
	places   map[place][sha256.Size]byte
	last     map[string]int64 // highest number by contract
	known    map[numbered][sha256.Size]byte
}

type place struct {
	partition int
	offset    int64
}

type numbered struct {
	contract string
	seq      int64
}

func (v *verifier) readTopic(ctx context.Context) error {
	if len(v.Loxon.Brokers) == 0 {
		v.report.Skipped = append(v.report.Skipped, "Loxon's topic")
		return nil
	}
	t := &topic{places: map[place][sha256.Size]byte{}, last: map[string]int64{}, known: map[numbered][sha256.Size]byte{}}
	var err error
	t.retained, err = loxon.ReadTopic(ctx, v.Loxon, func(r loxon.Record) error {
		v.take(t, r)
		return nil
	})
	v.topic = t
	return err
}

// take checks one record against those before it: numbers go up by one, and what is there
// again is the same. The first record of a contract may have any number where the topic's
// retention took the ones before it.
func (v *verifier) take(t *topic, r loxon.Record) {
	v.report.Events++
	digest := sha256.Sum256(r.Value)
	t.places[place{r.Partition, r.Offset}] = digest
	contract, err := domain.ParseContractNumber(r.Key)
	id := contract.WorkflowID()
	if err != nil {
		v.report.check(EventOrder, "", false, "partition %d, offset %d: the key is no contract", r.Partition, r.Offset)
		return
	}
	seq, err := strconv.ParseInt(r.Seq, 10, 64)
	v.report.check(EventOrder, id, err == nil && r.EventID == r.Key+"/"+r.Seq && r.ProcessID == id,
		"partition %d, offset %d: event-id, event-seq and process-id are not the contract's", r.Partition, r.Offset)
	last, before := t.last[r.Key]
	if earlier, again := t.known[numbered{r.Key, seq}]; again {
		v.report.Repeated++
		v.report.check(EventBytes, id, earlier == digest, "event %d is there again and is not the same", seq)
		v.report.check(EventOrder, id, seq == last, "event %d is there again after event %d", seq, last)
		return
	}
	v.report.check(EventOrder, id, seq == last+1 || !before && (seq == 1 || r.Offset > 0), "event %d follows event %d", seq, last)
	t.last[r.Key], t.known[numbered{r.Key, seq}] = seq, digest
}
