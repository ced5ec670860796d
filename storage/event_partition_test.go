package storage_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// publishAt has the contract's next event acknowledged at a place, now.
func publishAt(t *testing.T, l *storage.Ledger, contract domain.ContractNumber, topic string, partition int, offset int64) {
	t.Helper()
	made := storage.Call{Process: contract.WorkflowID(), Name: storage.CallTell, Step: 1, At: time.Now()}
	told, err := l.BeginTelling(t.Context(), contract, made, func(storage.PaymentOrderEvent, storage.PaymentOrder) ([]byte, error) { return []byte("{}"), nil })
	require.NoError(t, err)
	require.True(t, told.OK)
	require.NoError(t, l.RecordTelling(t.Context(), storage.Telling{Contract: contract, Told: told, Call: made,
		Outcome: storage.Outcome{Kind: storage.Answered}, Place: &storage.Place{Topic: topic, Partition: partition, Offset: offset}}))
}

func destination(t *testing.T, l *storage.Ledger, contract domain.ContractNumber, topic string) storage.Destination {
	t.Helper()
	d, err := l.Destination(t.Context(), contract, topic)
	require.NoError(t, err)
	return d
}

// A contract keeps the partition of its first event in a topic, from before its first attempt
// on; the topic has to hold that event and the last one of all contracts.
func TestContractKeepsItsPartition(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		take(t, l, today, "a", loan("KD1", 1000), loan("KD2", 1000))
		o := sent(t, l, "KD1")
		report(t, l, o, "e1", domain.StatusExecuted, 100)
		report(t, l, o, "e2", domain.StatusExecuted, 100)
		require.Equal(t, storage.Destination{}, destination(t, l, "KD1", "loxon"))

		for _, chosen := range []int{3, 9} { // another process knows of twelve partitions
			kept, err := l.PlaceFirst(t.Context(), "KD1", "loxon", chosen)
			require.NoError(t, err)
			require.Equal(t, 3, kept)
		}
		three, five := 3, 5
		require.Equal(t, storage.Destination{Partition: &three}, destination(t, l, "KD1", "loxon"), "nobody knows whether the topic has it")
		require.Equal(t, storage.Destination{}, destination(t, l, "KD1", "another"))
		publishAt(t, l, "KD1", "loxon", 3, 70)
		at := storage.Place{Topic: "loxon", Partition: 3, Offset: 70}
		require.Equal(t, storage.Destination{Partition: &three, Stored: []storage.Place{at, at}}, destination(t, l, "KD1", "loxon"))
		require.Equal(t, storage.Destination{Stored: []storage.Place{at}}, destination(t, l, "KD2", "loxon"))

		other := sent(t, l, "KD2")
		publishAt(t, l, "KD2", "loxon", 5, 8)
		latest := storage.Place{Topic: "loxon", Partition: 5, Offset: 8}
		require.Equal(t, storage.Destination{Partition: &three, Stored: []storage.Place{at, latest}}, destination(t, l, "KD1", "loxon"))
		require.Equal(t, storage.Destination{Partition: &five, Stored: []storage.Place{latest, latest}}, destination(t, l, "KD2", "loxon"))
		kept, err := l.PlaceFirst(t.Context(), "KD1", "loxon", 11)
		require.NoError(t, err)
		require.Equal(t, 3, kept)

		// Moved to another topic it begins there, and a contract without an unsent event places nothing.
		report(t, l, other, "e3", domain.StatusExecuted, 100)
		require.Nil(t, destination(t, l, "KD2", "another").Partition)
		kept, err = l.PlaceFirst(t.Context(), "KD2", "another", 0)
		require.NoError(t, err)
		require.Zero(t, kept)
		zero := 0
		require.Equal(t, storage.Destination{Partition: &zero}, destination(t, l, "KD2", "another"))
		publishAt(t, l, "KD2", "another", 0, 1)
		kept, err = l.PlaceFirst(t.Context(), "KD2", "third", 4)
		require.NoError(t, err)
		require.Equal(t, 4, kept)
		require.Nil(t, destination(t, l, "KD2", "third").Partition)
	})
}

// Events from before partitions were kept pin their contract, too: the first one does, also
// where a growing topic tore it apart.
func TestPartitionOfEventsFromBefore(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		take(t, l, today, "a", loan("KD1", 1000))
		o := sent(t, l, "KD1")
		report(t, l, o, "e1", domain.StatusExecuted, 100)
		publishAt(t, l, "KD1", "loxon", 2, 5)
		publishAt(t, l, "KD1", "loxon", 7, 1)
		require.Equal(t, 2, *destination(t, l, "KD1", "loxon").Partition)
	})
}

// A topic that lacks what it held needs a person: an event that is published settles it, and a
// person who closes it accepts the topic as it is, for all contracts.
func TestTopicIsAccepted(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		take(t, l, today, "a", loan("KD1", 1000), loan("KD2", 1000), loan("KD3", 1000))
		for contract, partition := range map[domain.ContractNumber]int{"KD1": 3, "KD2": 1} {
			report(t, l, sent(t, l, contract), "e1", domain.StatusExecuted, 100)
			publishAt(t, l, contract, "loxon", partition, 70)
		}
		sent(t, l, "KD3")
		_, err := l.PlaceFirst(t.Context(), "KD3", "loxon", 3)
		require.NoError(t, err)
		for _, contract := range []domain.ContractNumber{"KD1", "KD2", "KD2"} {
			require.NoError(t, l.TopicChanged(t.Context(), contract, "partition 3 ends at 0, and a broker had acknowledged offset 70"))
		}
		require.Equal(t, domain.ReasonTopicChanged, order(t, l, "KD1").OperatorReason)
		publishAt(t, l, "KD2", "loxon", 1, 71) // the topic was restored
		require.False(t, order(t, l, "KD2").NeedsOperator)
		require.NotEmpty(t, destination(t, l, "KD1", "loxon").Stored, "what Tolem closes accepts nothing")

		open, err := l.OpenIncidentsOf(t.Context(), domain.ProcessPaymentOrder, "KD1")
		require.NoError(t, err)
		require.Len(t, open, 1)
		_, err = l.ActOnIncident(t.Context(), open[0].ID, closing("aigul", "c", domain.ActionClose, time.Now()), storage.IncidentClosing{})
		require.NoError(t, err)
		for _, contract := range []domain.ContractNumber{"KD1", "KD2", "KD3"} {
			require.Equal(t, storage.Destination{}, destination(t, l, contract, "loxon"), contract)
		}
		kept, err := l.PlaceFirst(t.Context(), "KD1", "loxon", 8)
		require.NoError(t, err)
		require.Equal(t, 8, kept)
		publishAt(t, l, "KD1", "loxon", 8, 0)
		require.Equal(t, []storage.Place{{Topic: "loxon", Partition: 8}}, destination(t, l, "KD3", "loxon").Stored)
	})
}
