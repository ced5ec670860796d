package storage_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// checkWithIntent is an answer 0 to check, with the intent to pay at once.
func checkWithIntent(id domain.AgentTransactionID) storage.CheckRecord {
	return storage.CheckRecord{
		Call: call(id, "check", 1), Outcome: answered(0), Answer: `{"code":0}`,
		After: storage.After{State: domain.StatePaying, TransactionID: 77, PaymentCode: code(0)}, Pay: intent(2),
	}
}

func code(c domain.Code) *domain.Code { return &c }

// A hold or a cancel that is in the ledger, heard of by the workflow or not, leaves check's
// answer without its intent; a release is no hold.
func TestCheckOfAStoppedPayment(t *testing.T) {
	for name, c := range map[string]struct {
		stop     func(t *testing.T, l *storage.Ledger, p storage.Payment)
		intended bool
	}{
		"held": {func(t *testing.T, l *storage.Ledger, p storage.Payment) {
			follow(t, l, place(t, l, orderOf(p.ID, "aigul", "hold", domain.ActionHold)), domain.EffectHeld)
		}, false},
		"hold not heard of": {func(t *testing.T, l *storage.Ledger, p storage.Payment) {
			place(t, l, orderOf(p.ID, "aigul", "hold", domain.ActionHold))
		}, false},
		"cancel not heard of": {func(t *testing.T, l *storage.Ledger, p storage.Payment) {
			place(t, l, orderOf(p.ID, "aigul", "cancel", domain.ActionCancel))
		}, false},
		"retry not heard of": {func(t *testing.T, l *storage.Ledger, p storage.Payment) {
			place(t, l, orderOf(p.ID, "aigul", "retry", domain.ActionRetry))
		}, true},
		"released": {func(t *testing.T, l *storage.Ledger, p storage.Payment) {
			follow(t, l, place(t, l, orderOf(p.ID, "aigul", "hold", domain.ActionHold)), domain.EffectHeld)
			follow(t, l, place(t, l, orderOf(p.ID, "aigul", "release", domain.ActionRelease)), domain.EffectReleased)
		}, true},
		"another payment's hold": {func(t *testing.T, l *storage.Ledger, p storage.Payment) {
			place(t, l, orderOf(p.ID+1, "aigul", "hold", domain.ActionHold))
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, l *storage.Ledger) {
				p := accept(t, l, request("k"))
				c.stop(t, l, p)
				changed, started, err := l.RecordCheck(t.Context(), checkWithIntent(p.ID))
				require.NoError(t, err)
				require.True(t, changed)
				require.Equal(t, c.intended, started != 0)
				now := read(t, l, p.ID)
				require.Equal(t, `{"code":0}`, now.CheckAnswer)
				require.EqualValues(t, 77, *now.TransactionID)
				attempts, err := l.Attempts(t.Context(), p.ID.WorkflowID(), 0, 9)
				require.NoError(t, err)
				require.Len(t, attempts, now.Attempts)
				if c.intended {
					require.Equal(t, domain.StatePaying, now.State)
					require.NotNil(t, now.PaySentAt)
					return
				}
				require.Equal(t, domain.StateChecking, now.State)
				require.Nil(t, now.PaySentAt)
				require.Nil(t, now.PayBody)
				require.Len(t, attempts, 1)
				cancelled, err := end(l, p.ID, 3, domain.StateCancelled)
				require.NoError(t, err)
				require.Equal(t, domain.StateCancelled, cancelled.State)
			})
		})
	}
}

// A hold and an intent at the same moment, many times: a payment that is held has no
// intent unless that was there first, and then it is paying.
func TestHoldAndIntentAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		for n := range 20 {
			p := accept(t, l, request("k"+strconv.Itoa(n)))
			in := checkWithIntent(p.ID)
			in.Pay, in.After.State = nil, domain.StateChecking
			_, _, err := l.RecordCheck(t.Context(), in)
			require.NoError(t, err)
			hold := place(t, l, orderOf(p.ID, "aigul", "hold"+strconv.Itoa(n), domain.ActionHold))
			intended := false
			for _, err := range atOnce(2, func(i int) (err error) {
				if i == 0 {
					return l.Follow(context.Background(), storage.Following{PaymentID: p.ID, OrderID: hold.ID, Effect: domain.EffectHeld})
				}
				intended, _, err = l.CommitIntent(context.Background(), p.ID, storage.IntentRecord{From: domain.StateChecking, Attempt: 2, Pay: *intent(3)})
				return err
			}) {
				require.NoError(t, err)
			}
			now := read(t, l, p.ID)
			require.True(t, now.Held)
			require.Equal(t, intended, now.PaySentAt != nil)
			again, _, err := l.CommitIntent(t.Context(), p.ID, storage.IntentRecord{From: domain.StateChecking, Attempt: 3, Pay: *intent(5)})
			require.NoError(t, err)
			require.False(t, again, "held, or paying already")
		}
		p := awaiting(t, l, "chosen")
		_, err := l.Choose(t.Context(), p.ID, choice("1"))
		require.NoError(t, err)
		follow(t, l, place(t, l, orderOf(p.ID, "aigul", "first", domain.ActionHold)), domain.EffectHeld)
		changed, _ := commit(t, l, p.ID, 2)
		require.False(t, changed, "the hold was first")
		follow(t, l, place(t, l, orderOf(p.ID, "aigul", "release", domain.ActionRelease)), domain.EffectReleased)
		changed, _ = commit(t, l, p.ID, 2)
		require.True(t, changed)
	})
}

// heldID takes a payment to a 215 at check.
func heldID(t *testing.T, l *storage.Ledger, key string) storage.Payment {
	t.Helper()
	p := accept(t, l, request(key))
	changed, _, err := l.RecordCheck(t.Context(), storage.CheckRecord{
		Call: call(p.ID, "check", 1), Outcome: answered(domain.CodeNumberExists),
		After: storage.After{State: domain.StateChecking, OperatorReason: domain.ReasonNumberExists, HeldID: true},
	})
	require.NoError(t, err)
	require.True(t, changed)
	p = read(t, l, p.ID)
	require.True(t, p.HeldID)
	require.True(t, p.NeedsOperator)
	require.Nil(t, p.NextAttemptAt)
	return p
}

// No end that says that the money did not move is written to a payment whose id the
// centre holds, whoever asks for it; two people end it, though it never sent a pay.
func TestHeldIDIsNeverEndedAsUnmoved(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		p := heldID(t, l, "k")
		for _, state := range []domain.State{domain.StateCancelled, domain.StateExpired, domain.StateRefused} {
			now, err := end(l, p.ID, 3, state)
			require.NoError(t, err)
			require.Equal(t, domain.StateChecking, now.State, state)
			require.Equal(t, p.Step, now.Step)
		}
		changed, _, err := l.RecordCheck(t.Context(), storage.CheckRecord{
			Call: call(p.ID, "check", 2), Outcome: answered(domain.CodeOtherError), After: storage.After{State: domain.StateRefused},
		})
		require.NoError(t, err)
		require.False(t, changed)

		follow(t, l, resolves(t, l, p.ID, "aigul", "first", domain.StateResolvedRefused), domain.EffectProposed)
		now, refusal := confirms(t, l, resolves(t, l, p.ID, "marat", "second", domain.StateResolvedRefused), 9)
		require.Empty(t, refusal)
		require.Equal(t, domain.StateResolvedRefused, now.State)
		require.Nil(t, now.PaySentAt)
	})
}

// late records an answer to a pay that was under way when its payment ended.
func late(t *testing.T, l *storage.Ledger, p storage.Payment, started int64, o storage.Outcome, word *domain.Code) {
	t.Helper()
	state := domain.StatePaying
	if word != nil && word.Final() {
		state = domain.StateRefused
		if *word == domain.CodeSuccess {
			state = domain.StateSucceeded
		}
	}
	changed, err := l.RecordPay(t.Context(), call(p.ID, "pay", 2), started, o, storage.After{State: state, PaymentCode: word})
	require.NoError(t, err)
	require.False(t, changed)
}

// An answer that comes after the end and says otherwise raises an incident about money, in
// the transaction that records it. The end stays.
func TestAnswerThatContradictsTheEnd(t *testing.T) {
	for name, c := range map[string]struct {
		end    domain.State
		answer domain.Code
		word   *domain.Code
		want   domain.OperatorReason
	}{
		"0 after resolved_refused":     {domain.StateResolvedRefused, 0, code(0), domain.ReasonPaidAfterEnd},
		"0 after refused":              {domain.StateRefused, 0, code(0), domain.ReasonPaidAfterEnd},
		"0 after resolved_succeeded":   {domain.StateResolvedSucceeded, 0, code(0), ""},
		"0 after succeeded":            {domain.StateSucceeded, 0, code(0), ""},
		"300 after resolved_succeeded": {domain.StateResolvedSucceeded, 300, code(300), domain.ReasonRefusedAfterEnd},
		"5 after succeeded":            {domain.StateSucceeded, 5, code(5), domain.ReasonRefusedAfterEnd},
		"300 after resolved_refused":   {domain.StateResolvedRefused, 300, code(300), ""},
		"1 after resolved_refused":     {domain.StateResolvedRefused, 1, code(1), ""},
		"1 after resolved_succeeded":   {domain.StateResolvedSucceeded, 1, code(1), ""},
		"202 after resolved_succeeded": {domain.StateResolvedSucceeded, 202, nil, ""},
		"a strange 0":                  {domain.StateResolvedRefused, 0, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, l *storage.Ledger) {
				p, started := ended(t, l, c.end)
				late(t, l, p, started, answered(c.answer), c.word)
				now := read(t, l, p.ID)
				require.Equal(t, c.end, now.State)
				require.Equal(t, c.want != "", now.NeedsOperator)
				found := incidentsOf(t, l, storage.IncidentFilter{Process: domain.ProcessPayment, Subject: p.ID.String(), Reason: c.want, Open: &[]bool{true}[0]})
				if c.want == "" {
					require.Empty(t, found)
					return
				}
				require.Len(t, found, 1)
				require.True(t, c.want.AboutMoney())
				require.Contains(t, found[0].Entries[0].Evidence, "pay answered code "+strconv.Itoa(int(c.answer)))
			})
		})
	}
}

// ended is a payment that ended while its first pay was under way.
func ended(t *testing.T, l *storage.Ledger, state domain.State) (storage.Payment, int64) {
	t.Helper()
	p, started := paying(t, l, "k")
	if state == domain.StateSucceeded || state == domain.StateRefused {
		now, err := end(l, p.ID, 5, state)
		require.NoError(t, err)
		return now, started
	}
	require.NoError(t, l.Flag(t.Context(), p.ID, domain.ReasonLateRefusal, "run-1"))
	follow(t, l, resolves(t, l, p.ID, "aigul", "first", state), domain.EffectProposed)
	now, refusal := confirms(t, l, resolves(t, l, p.ID, "marat", "second", state), 9)
	require.Empty(t, refusal)
	return now, started
}

// The last word on the payment is kept apart from the last code, and a resolve as refused
// against a temporary one needs evidence of both people, read from their own actions.
func TestConfirmAgainstTheCentresWord(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		p, started := paying(t, l, "k")
		_, err := l.RecordPay(t.Context(), call(p.ID, "pay", 2), started, answered(domain.CodeSecurityReview),
			storage.After{State: domain.StatePaying, PaymentCode: code(domain.CodeSecurityReview)})
		require.NoError(t, err)
		begun, err := l.BeginPay(t.Context(), call(p.ID, "pay", 3))
		require.NoError(t, err)
		_, err = l.RecordPay(t.Context(), call(p.ID, "pay", 3), begun.Started, answered(domain.CodeNumberExists), storage.After{State: domain.StatePaying})
		require.NoError(t, err)
		require.Equal(t, domain.CodeNumberExists, *read(t, l, p.ID).ResultCode)
		require.Equal(t, domain.CodeSecurityReview, *read(t, l, p.ID).PaymentCode)
		require.NoError(t, l.Flag(t.Context(), p.ID, domain.ReasonLateRefusal, "run-1"))
		resolve := func(who, key string, kind domain.EvidenceKind) storage.Action {
			o := orderOf(p.ID, who, key, domain.ActionResolve)
			o.Outcome, o.Evidence, o.EvidenceKind = domain.StateResolvedRefused, "letter 12/3", kind
			return place(t, l, o)
		}
		follow(t, l, resolve("aigul", "first", domain.EvidenceCentreCancelled), domain.EffectProposed)
		require.Equal(t, domain.EvidenceCentreCancelled, read(t, l, p.ID).ProposedEvidence)
		_, refusal := confirms(t, l, resolve("marat", "bare", ""), 9)
		require.Equal(t, domain.RefusalInProgress, refusal)
		_, refusal = confirms(t, l, resolve("marat", "no such register", domain.EvidenceRegister), 9)
		require.Equal(t, domain.RefusalInProgress, refusal)
		now, refusal := confirms(t, l, resolve("marat", "both", domain.EvidenceCentreCancelled), 9)
		require.Empty(t, refusal)
		require.Equal(t, domain.StateResolvedRefused, now.State)
	})
}

// A register is evidence of the payments of its own, closed day that it does not contain.
func TestRegisters(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		p := accept(t, l, request("k"))
		lacks := func(sha string) bool {
			t.Helper()
			lacks, err := l.RegisterLacks(t.Context(), sha, p.ID)
			require.NoError(t, err)
			return lacks
		}
		keep := func(day, sha string, closed bool, absent ...domain.AgentTransactionID) {
			t.Helper()
			require.NoError(t, l.KeepRegister(t.Context(), storage.Register{
				Day: day, SHA256: sha, Entries: 3, Closed: closed, Caller: "boss", ReceivedAt: storage.At(noon),
			}, absent))
		}
		require.False(t, lacks("a"))
		keep("2026-02-17", "a", false, p.ID)
		require.False(t, lacks("a"), "the day was not over")
		keep("2026-02-17", "a", true)
		require.True(t, lacks("a"), "the same bytes when it was")
		keep("2026-02-17", "a", false, p.ID, p.ID+1)
		require.True(t, lacks("a"))
		keep("2026-02-18", "b", true, p.ID)
		require.False(t, lacks("b"), "another day")
		keep("2026-02-17", "c", true, p.ID+1)
		require.False(t, lacks("c"), "contains it")
		many := make([]domain.AgentTransactionID, 1234)
		for i := range many {
			many[i] = p.ID + domain.AgentTransactionID(i)
		}
		keep("2026-02-17", "d", true, many...)
		require.True(t, lacks("d"))
	})
}

// declines is a person's decline.
func declines(t *testing.T, l *storage.Ledger, id domain.AgentTransactionID, who, key string) (storage.Action, storage.Payment, bool, error) {
	t.Helper()
	return l.DeclineProposal(t.Context(), id, orderOf(id, who, key, domain.ActionDecline))
}

// A proposal is dropped once, with its journal row; a hold beside it stays, and the second
// word finds nothing to approve.
func TestDeclineProposal(t *testing.T) {
	onBothWithJournal(t, func(t *testing.T, l *storage.Ledger, events func(domain.AgentTransactionID) []string) {
		p, _ := proposed(t, l, "k", domain.StateResolvedRefused)
		follow(t, l, place(t, l, orderOf(p.ID, "dina", "hold", domain.ActionHold)), domain.EffectHeld)
		before := len(events(p.ID))
		done, now, fresh, err := declines(t, l, p.ID, "marat", "d")
		require.NoError(t, err)
		require.True(t, fresh)
		require.Equal(t, domain.EffectDeclined, done.Effect)
		require.Empty(t, now.Proposed)
		require.Nil(t, now.ProposedAction)
		require.True(t, now.Held)
		require.Equal(t, domain.StatePaying, now.State)
		again, _, fresh, err := declines(t, l, p.ID, "marat", "d")
		require.NoError(t, err)
		require.False(t, fresh)
		require.Equal(t, done, again)
		require.Len(t, events(p.ID), before+1)
		require.Equal(t, "declined operator "+strconv.FormatInt(done.ID, 10), events(p.ID)[before])

		_, now, _, err = declines(t, l, p.ID, "marat", "other")
		require.ErrorIs(t, err, storage.ErrActionRefused{Refusal: domain.RefusalNotProposed})
		require.Equal(t, p.ID, now.ID)
		_, refusal := confirms(t, l, resolves(t, l, p.ID, "marat", "second", domain.StateResolvedRefused), 9)
		require.Equal(t, domain.RefusalOtherOutcome, refusal)
		_, _, _, err = declines(t, l, 5, "marat", "none")
		require.ErrorIs(t, err, storage.ErrNotFound)
	})
}

// A decline and the second person's approval at the same moment: one of them counts.
func TestDeclineAndApprovalAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		for n := range 20 {
			key := "k" + strconv.Itoa(n)
			p, _ := proposed(t, l, key, domain.StateResolvedRefused)
			second := resolves(t, l, p.ID, "marat", key+"-second", domain.StateResolvedRefused)
			var declined, approved error
			var refusal domain.Refusal
			atOnce(2, func(i int) error {
				if i == 0 {
					_, _, _, declined = l.DeclineProposal(context.Background(), p.ID, orderOf(p.ID, "dina", key+"-d", domain.ActionDecline))
				} else {
					_, refusal, approved = l.Confirm(context.Background(), storage.Confirmation{PaymentID: p.ID, Step: 9, OrderID: second.ID})
				}
				return nil
			})
			require.NoError(t, approved)
			now := read(t, l, p.ID)
			if now.State == domain.StateResolvedRefused {
				require.ErrorIs(t, declined, storage.ErrActionRefused{Refusal: domain.RefusalEnded})
				continue
			}
			require.NoError(t, declined)
			require.Equal(t, domain.StatePaying, now.State)
			require.Empty(t, now.Proposed)
			require.Empty(t, placedOrder(t, l, second).Effect, refusal)
		}
	})
}

// What open payments of older ledgers were told last of themselves is read from the journal.
func TestPaymentCodeOfOlderLedgers(t *testing.T) {
	for name, address := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			l, err := storage.Open(t.Context(), address)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, l.Close()) })
			require.NoError(t, l.MigrateTo(t.Context(), 12))
			for id, state := range map[string]string{"12": "paying", "13": "accepted", "14": "refused"} {
				require.NoError(t, l.Exec(t.Context(), `INSERT INTO payments (id, caller, idempotency_key, request_sha256, service_id, account, extras, identity_card,
					full_name, auto_pay, agent_transaction_date, retry_initial, retry_factor_milli, state, needs_operator, operator_reason, step, attempts, waits,
					result_code, result_message, transaction_date, status_date, check_answer, asks_payer, created_at, updated_at)
					VALUES (`+id+`, 'shop', '`+id+`', '', '', '', '{}', '', '', TRUE, '2026-02-17T10:00:00', 1, 2000, '`+state+`', FALSE, '', 1, 1, 0, 215, '', '', '', '', '', 1, 1)`))
			}
			for _, row := range [][2]string{{"12", "0"}, {"12", "153"}, {"12", "215"}, {"14", "5"}} {
				require.NoError(t, l.Exec(t.Context(), `INSERT INTO journal (process, phase, call, step, attempt, execution, cause, waited, at, duration,
					body_sha256, outcome, failure, http_status, result_code, result_message)
					VALUES ('payment/`+row[0]+`', 'outcome', 'pay', 1, 1, '', '', 0, 1, 1, '', 'answered', '', 200, `+row[1]+`, '')`))
			}
			_, err = l.Migrate(t.Context())
			require.NoError(t, err)
			require.Equal(t, code(153), read(t, l, 12).PaymentCode)
			require.False(t, read(t, l, 12).HeldID)
			require.Nil(t, read(t, l, 13).PaymentCode)
			require.Nil(t, read(t, l, 14).PaymentCode, "it has ended")
		})
	}
}
