package storage_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

const (
	waitLimit = 30 * time.Second
	waitStep  = 20 * time.Millisecond
)

// guarded opens a ledger as a process of the business does, with what another tool sees.
func guarded(t *testing.T, address string) (process, tool *storage.Ledger) {
	t.Helper()
	tool, process = open(t, address), open(t, address)
	require.NoError(t, process.Guard(t.Context(), 0))
	return process, tool
}

// beat has the mark rise by one.
func beat(t *testing.T, process, tool *storage.Ledger) int64 {
	t.Helper()
	before := process.Mark()
	require.NoError(t, tool.Exec(t.Context(), "UPDATE ledger_state SET marked_at = 0"))
	require.NoError(t, process.Beat(t.Context()))
	require.Equal(t, before+1, process.Mark())
	return process.Mark()
}

// restart cuts every connection to PostgreSQL, as a switch-over does.
func restart(t *testing.T, tool *storage.Ledger) {
	t.Helper()
	if tool.OnPostgres() {
		_ = tool.Exec(context.Background(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()") // the answer may be cut too
	}
}

// The mark rises once for all processes that try within a second.
func TestMarkRisesOncePerSecond(t *testing.T) {
	for name, address := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			process, tool := guarded(t, address)
			mark := beat(t, process, tool)
			require.NoError(t, process.Beat(t.Context()))
			require.Equal(t, mark, process.Mark())
			require.Equal(t, domain.GateOpen, process.Gate())
		})
	}
}

// A ledger whose mark is lower than one that was seen lost commits: its gate is closed for
// every process, also those that never saw the higher mark, and no statement gets through.
func TestLostCommitsCloseTheGate(t *testing.T) {
	for name, address := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			process, tool := guarded(t, address)
			p := accept(t, process, request("k1"))
			beat(t, process, tool)
			beat(t, process, tool)
			require.NoError(t, tool.Exec(t.Context(), "UPDATE ledger_state SET mark = mark - 1"))
			restart(t, tool)

			require.Eventually(t, func() bool { return errors.Is(process.Beat(t.Context()), storage.ErrRestored) }, waitLimit, waitStep)
			require.ErrorIs(t, process.CheckGate(), storage.ErrRestored)
			_, err := process.Payment(t.Context(), p.ID)
			require.ErrorIs(t, err, storage.ErrRestored)
			_, _, err = process.Accept(t.Context(), request("k2"))
			require.ErrorIs(t, err, storage.ErrRestored)
			require.ErrorIs(t, process.Raise(t.Context(), storage.OpenIncident{Process: domain.ProcessPayment, Subject: "1", Reason: domain.ReasonTooOld}, ""), storage.ErrRestored)

			other := open(t, address)
			require.ErrorIs(t, other.Guard(t.Context(), 0), storage.ErrRestored, "closed in the ledger")
			_, err = other.Payment(t.Context(), p.ID)
			require.ErrorIs(t, err, storage.ErrRestored)
			require.Equal(t, p.ID, read(t, tool, p.ID).ID, "tools pass")
		})
	}
}

// A process that reaches a restored PostgreSQL by a new connection is stopped before its
// first statement, without waiting for the next second.
func TestNewConnectionIsChecked(t *testing.T) {
	process, tool := guarded(t, addresses(t)["postgres"])
	p := accept(t, process, request("k1"))
	beat(t, process, tool)
	require.NoError(t, tool.Exec(t.Context(), "UPDATE ledger_state SET mark = mark - 1"))
	restart(t, tool)
	require.Eventually(t, func() bool { // a broken connection may be found first
		_, err := process.Payment(t.Context(), p.ID)
		return err != nil && process.Gate() == domain.GateClosed
	}, waitLimit, waitStep)
	_, err := process.Payment(t.Context(), p.ID)
	require.ErrorIs(t, err, storage.ErrRestored)
}

// A switch-over that lost nothing, with a mark at least as high, stops nothing.
func TestLosslessSwitchOverIsNotStopped(t *testing.T) {
	for name, address := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			process, tool := guarded(t, address)
			p := accept(t, process, request("k1"))
			beat(t, process, tool)
			restart(t, tool)
			require.Eventually(t, func() bool { _, err := process.Payment(t.Context(), p.ID); return err == nil }, waitLimit, waitStep)
			beat(t, process, tool)
			require.NoError(t, tool.Exec(t.Context(), "UPDATE ledger_state SET mark = mark + 1"))
			restart(t, tool)
			require.Eventually(t, func() bool { return process.Beat(t.Context()) == nil }, waitLimit, waitStep)
			require.Equal(t, domain.GateOpen, process.Gate())
		})
	}
}

// What is known from outside the ledger counts as much as what was seen.
func TestCopyOfTheMarkClosesTheGateAtTheStart(t *testing.T) {
	for name, address := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			process, tool := guarded(t, address)
			mark := beat(t, process, tool)
			started := open(t, address)
			require.NoError(t, started.Guard(t.Context(), mark))
			started = open(t, address)
			require.ErrorIs(t, started.Guard(t.Context(), mark+1), storage.ErrRestored)
		})
	}
}
