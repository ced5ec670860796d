-- +goose Up

-- An event is known by its key within the contract, whichever payment order it is about. The
-- events that we give, and those of K2's status service, come once for each payment order:
-- their keys name it.
UPDATE payment_order_events SET event_key = event_key || ' ' || (SELECT order_ref FROM payment_orders WHERE id = payment_order_events.order_id)
    WHERE caller = '' OR event_key LIKE 'status_code %';
-- Of keys that were given to events of several payment orders the oldest event keeps it. The
-- others get one that nobody can send, for it has a space.
UPDATE payment_order_events SET event_key = event_key || ' ' || (SELECT order_ref FROM payment_orders WHERE id = payment_order_events.order_id)
    WHERE EXISTS (SELECT 1 FROM payment_order_events AS older WHERE older.contract = payment_order_events.contract
        AND older.caller = payment_order_events.caller AND older.event_key = payment_order_events.event_key AND older.id < payment_order_events.id);
CREATE UNIQUE INDEX payment_order_events_by_key ON payment_order_events (contract, caller, event_key);

-- One of those events may be an earlier one that was repeated after the next payment order had
-- begun, and booked on that: a person has to compare, contract by contract.
INSERT INTO open_incidents (process, subject, part, reason, facts, acknowledged, opened_at, changed_at)
    SELECT DISTINCT 'payment_order', contract, '', 'event_key_shared', 1, FALSE, CAST(strftime('%s', 'now') AS BIGINT) * 1000000, CAST(strftime('%s', 'now') AS BIGINT) * 1000000
    FROM payment_order_events WHERE caller <> '' AND event_key LIKE '% PTP%' AND event_key NOT LIKE 'status_code %';
INSERT INTO incident_entries (incident, process, subject, part, reason, entry, evidence, caller, why, money, transaction_number, at)
    SELECT o.id, o.process, o.subject, o.part, o.reason, 'opened', 'events under the key of an earlier payment order''s: ' || e.ids, '', '', '', '', o.opened_at
    FROM open_incidents AS o JOIN (SELECT contract, group_concat(id, ', ') AS ids FROM payment_order_events
        WHERE caller <> '' AND event_key LIKE '% PTP%' AND event_key NOT LIKE 'status_code %' GROUP BY contract) AS e ON e.contract = o.subject
    WHERE o.reason = 'event_key_shared';
UPDATE payment_orders SET needs_operator = TRUE, operator_reason = 'event_key_shared'
    WHERE id IN (SELECT max(id) FROM payment_orders WHERE contract IN (SELECT subject FROM open_incidents WHERE reason = 'event_key_shared') GROUP BY contract);

-- What a report said, so that the same once more raises nothing. '' in reports from before.
ALTER TABLE loan_reports ADD COLUMN iban     TEXT NOT NULL DEFAULT '';
ALTER TABLE loan_reports ADD COLUMN iinbin   TEXT NOT NULL DEFAULT '';
ALTER TABLE loan_reports ADD COLUMN currency TEXT NOT NULL DEFAULT '';

-- An action is about one payment order, and some about one event of it. NULL in actions from
-- before, and in those on other processes.
ALTER TABLE actions ADD COLUMN payment_order BIGINT;
ALTER TABLE actions ADD COLUMN event_id      BIGINT;

-- An attempt to publish names its event. NULL in rows from before.
ALTER TABLE journal ADD COLUMN event_id BIGINT;

-- An event that can never be published is set aside by two people.
ALTER TABLE payment_order_events ADD COLUMN aside_action BIGINT;                  -- the first one's proposal
ALTER TABLE payment_order_events ADD COLUMN aside_caller TEXT NOT NULL DEFAULT ''; -- that person
ALTER TABLE payment_order_events ADD COLUMN aside_until  BIGINT;                  -- when it lapses
ALTER TABLE payment_order_events ADD COLUMN absent_at    BIGINT;                  -- when the topic, read to its end, did not hold it; no attempt was made since
ALTER TABLE payment_order_events ADD COLUMN set_aside_at BIGINT;                  -- by the second one
ALTER TABLE payment_order_events ADD COLUMN skipped_seqs TEXT NOT NULL DEFAULT ''; -- those set aside before it, as its header names them

-- +goose Down
ALTER TABLE payment_order_events DROP COLUMN skipped_seqs;
ALTER TABLE payment_order_events DROP COLUMN set_aside_at;
ALTER TABLE payment_order_events DROP COLUMN absent_at;
ALTER TABLE payment_order_events DROP COLUMN aside_until;
ALTER TABLE payment_order_events DROP COLUMN aside_caller;
ALTER TABLE payment_order_events DROP COLUMN aside_action;
ALTER TABLE journal DROP COLUMN event_id;
ALTER TABLE actions DROP COLUMN event_id;
ALTER TABLE actions DROP COLUMN payment_order;
ALTER TABLE loan_reports DROP COLUMN currency;
ALTER TABLE loan_reports DROP COLUMN iinbin;
ALTER TABLE loan_reports DROP COLUMN iban;
DROP INDEX payment_order_events_by_key;
UPDATE payment_order_events SET event_key = 'request was sent' WHERE caller = '';
UPDATE payment_order_events SET event_key = substr(event_key, 1, 15) WHERE event_key LIKE 'status_code %';
