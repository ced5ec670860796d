-- +goose Up

-- Ends that were contradicted before incidents were kept: each becomes one, once, so that
-- people record where the money is. What is open or was closed already is left alone.

-- A pay was answered 0, and the payment ended as not paid.
INSERT INTO open_incidents (process, subject, part, reason, facts, acknowledged, opened_at, changed_at)
    SELECT 'payment', CAST(p.id AS TEXT), '', 'paid_after_end', 1, FALSE, p.updated_at, p.updated_at FROM payments AS p
    WHERE p.state IN ('refused', 'cancelled', 'expired', 'resolved_refused')
        AND EXISTS (SELECT 1 FROM journal AS j WHERE j.process = 'payment/' || p.id AND j.call = 'pay' AND j.outcome = 'answered'
            AND j.failure <> 'strange_echo' AND j.result_code = 0)
        AND NOT EXISTS (SELECT 1 FROM incident_entries AS e WHERE e.process = 'payment' AND e.subject = CAST(p.id AS TEXT) AND e.reason = 'paid_after_end');

-- A pay was refused for good, and the payment ended as paid.
INSERT INTO open_incidents (process, subject, part, reason, facts, acknowledged, opened_at, changed_at)
    SELECT 'payment', CAST(p.id AS TEXT), '', 'refused_after_end', 1, FALSE, p.updated_at, p.updated_at FROM payments AS p
    WHERE p.state IN ('succeeded', 'resolved_succeeded')
        AND EXISTS (SELECT 1 FROM journal AS j WHERE j.process = 'payment/' || p.id AND j.call = 'pay' AND j.outcome = 'answered'
            AND j.failure <> 'strange_echo' AND j.result_code IN (4, 5, 7, 8, 130, 155, 241, 242, 250, 300))
        AND NOT EXISTS (SELECT 1 FROM incident_entries AS e WHERE e.process = 'payment' AND e.subject = CAST(p.id AS TEXT) AND e.reason = 'refused_after_end');

-- The centre held its id before a pay of ours could be why (215), which was taken for a
-- refusal, or did not keep it from being cancelled.
INSERT INTO open_incidents (process, subject, part, reason, facts, acknowledged, opened_at, changed_at)
    SELECT 'payment', CAST(p.id AS TEXT), '', 'ended_with_held_id', 1, FALSE, p.updated_at, p.updated_at FROM payments AS p
    WHERE p.state IN ('refused', 'cancelled', 'expired')
        AND EXISTS (SELECT 1 FROM journal AS j WHERE j.process = 'payment/' || p.id AND j.call IN ('check', 'pay') AND j.outcome = 'answered'
            AND j.failure <> 'strange_echo' AND j.result_code = 215
            AND NOT EXISTS (SELECT 1 FROM journal AS s WHERE s.process = j.process AND s.call = 'pay' AND s.phase IN ('started', 'call')
                AND s.id < j.id AND s.id <> COALESCE(j.started_id, 0)))
        AND NOT EXISTS (SELECT 1 FROM open_incidents AS o WHERE o.process = 'payment' AND o.subject = CAST(p.id AS TEXT) AND o.reason = 'paid_after_end')
        AND NOT EXISTS (SELECT 1 FROM incident_entries AS e WHERE e.process = 'payment' AND e.subject = CAST(p.id AS TEXT)
            AND e.reason IN ('ended_with_held_id', 'paid_after_end'));

-- The goods were handed over, and the instalment failed.
INSERT INTO open_incidents (process, subject, part, reason, facts, acknowledged, opened_at, changed_at)
    SELECT 'order', i.id, '', 'confirmed_and_failed', 1, FALSE, i.updated_at, i.updated_at FROM instalment_orders AS i
    WHERE i.state = 'failed' AND i.decision = 'confirm' AND i.fail_reason <> 'resolved' AND i.bank_meaning <> 'returned'
        AND NOT EXISTS (SELECT 1 FROM incident_entries AS e WHERE e.process = 'order' AND e.subject = i.id AND e.reason = 'confirmed_and_failed');

-- The store rejected, and the instalment was paid out.
INSERT INTO open_incidents (process, subject, part, reason, facts, acknowledged, opened_at, changed_at)
    SELECT 'order', i.id, '', 'decision_too_late', 1, FALSE, i.updated_at, i.updated_at FROM instalment_orders AS i
    WHERE i.state = 'paid_out' AND i.decision = 'reject'
        AND NOT EXISTS (SELECT 1 FROM incident_entries AS e WHERE e.process = 'order' AND e.subject = i.id AND e.reason = 'decision_too_late');

-- The bank called back after the end and said the opposite.
INSERT INTO open_incidents (process, subject, part, reason, facts, acknowledged, opened_at, changed_at)
    SELECT 'order', i.id, '', CASE i.state WHEN 'failed' THEN 'sale_after_end' ELSE 'payout_contradicted' END, 1, FALSE, i.updated_at, i.updated_at
    FROM instalment_orders AS i
    WHERE i.ended_at IS NOT NULL AND i.bank_meaning <> 'returned'
        AND EXISTS (SELECT 1 FROM order_callbacks AS c WHERE c.order_id = i.id AND c.at > i.ended_at
            AND (i.state = 'failed' AND (c.meaning IN ('active', 'done', 'returned') OR c.meaning = '' AND c.state = 'SUCCESS')
                OR i.state = 'paid_out' AND (c.meaning = 'failed' OR c.meaning = '' AND c.state = 'FAIL')))
        AND NOT EXISTS (SELECT 1 FROM incident_entries AS e WHERE e.process = 'order' AND e.subject = i.id
            AND e.reason IN ('sale_after_end', 'payout_contradicted'));

-- The rows need a person from now on. (A new incident is one that has no entry yet.)
UPDATE payments SET needs_operator = TRUE,
    operator_reason = (SELECT max(o.reason) FROM open_incidents AS o WHERE o.process = 'payment' AND o.subject = CAST(payments.id AS TEXT))
    WHERE CAST(id AS TEXT) IN (SELECT o.subject FROM open_incidents AS o WHERE o.process = 'payment'
        AND NOT EXISTS (SELECT 1 FROM incident_entries AS e WHERE e.incident = o.id));
UPDATE instalment_orders SET needs_operator = TRUE,
    operator_reason = (SELECT max(o.reason) FROM open_incidents AS o WHERE o.process = 'order' AND o.subject = instalment_orders.id)
    WHERE id IN (SELECT o.subject FROM open_incidents AS o WHERE o.process = 'order'
        AND NOT EXISTS (SELECT 1 FROM incident_entries AS e WHERE e.incident = o.id));
INSERT INTO incident_entries (incident, process, subject, part, reason, entry, evidence, caller, why, money, transaction_number, at)
    SELECT o.id, o.process, o.subject, o.part, o.reason, 'opened', 'contradicted before incidents were kept', '', '', '', '', o.opened_at
    FROM open_incidents AS o WHERE NOT EXISTS (SELECT 1 FROM incident_entries AS e WHERE e.incident = o.id);

-- +goose Down
SELECT 1; -- incidents are people's to close
