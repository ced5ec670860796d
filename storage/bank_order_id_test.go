package storage_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// created is the record of a create that the bank answered with a number.
func created(id domain.StoreOrderID, number string, started int64) storage.OrderRecord {
	return storage.OrderRecord{
		ID: id, Call: orderCall(id, "create", 1), Started: started, Outcome: bankAnswered,
		After: storage.OrderAfter{State: domain.OrderWaitingForClient, BankOrderID: number, Waits: 1, NextWait: 1},
	}
}

// Of orders that the bank gives one number at once, one takes it. The others stay as they
// were, with an incident that names it.
func TestOneBankOrderIDForOneOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		const orders = 6
		ids, records := make([]domain.StoreOrderID, orders), make([]storage.OrderRecord, orders)
		for i := range ids {
			ids[i] = domain.StoreOrderID("till/" + strconv.Itoa(i))
			acceptOrder(t, l, ids[i])
			begun := begins(t, l, ids[i], "create", 1, domain.OrderCreating, domain.OrderAccepted)
			records[i] = created(ids[i], "bank-7", begun.Started)
		}
		for _, err := range atOnce(orders, func(i int) error {
			_, err := l.RecordOrderCall(context.Background(), records[i])
			return err
		}) {
			require.NoError(t, err)
		}
		took := 0
		for _, id := range ids {
			o := readOrder(t, l, id)
			if o.BankOrderID != "" {
				took++
				require.Equal(t, domain.OrderWaitingForClient, o.State)
				require.False(t, o.NeedsOperator)
				continue
			}
			require.Equal(t, domain.OrderCreating, o.State)
			require.Equal(t, domain.ReasonBankOrderIDTaken, o.OperatorReason)
			require.NotNil(t, o.NextAttemptAt, "create is repeated")
			found := incidentsOf(t, l, storage.IncidentFilter{Process: domain.ProcessOrder, Subject: string(id)})
			require.Len(t, found, 1)
			require.Contains(t, found[0].Entries[0].Evidence, "create answered the bank's order bank-7, which is that of order/till%2F")
			attempts, err := l.Attempts(t.Context(), id.WorkflowID(), 0, 9)
			require.NoError(t, err)
			require.Equal(t, "bank_order_id_taken", attempts[0].Failure)
		}
		require.Equal(t, 1, took)

		// The same number for the same order again is its own.
		for _, id := range ids {
			if readOrder(t, l, id).BankOrderID == "" {
				continue
			}
			changed, err := l.RecordOrderCall(t.Context(), storage.OrderRecord{ID: id, Call: orderCall(id, "create", 2), Outcome: bankAnswered,
				After: storage.OrderAfter{BankOrderID: "bank-7"}})
			require.NoError(t, err)
			require.True(t, changed)
			require.False(t, readOrder(t, l, id).NeedsOperator)
		}
	})
}

// Orders that shared a number before this rule stay as they are.
func TestOlderOrdersWithOneNumber(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		for _, id := range []domain.StoreOrderID{"a", "b"} {
			waitingForStore(t, l, id)
		}
		require.NoError(t, l.Exec(t.Context(), "UPDATE instalment_orders SET bank_order_id = 'bank-a'"))
		require.True(t, records(t, l, "b", "state", 3, 0, storage.OrderAfter{Bank: told("IN_PROCESS", "WAITING_FOR_STORE_CONFIRM")}))
		require.Equal(t, "bank-a", readOrder(t, l, "b").BankOrderID)
	})
}
