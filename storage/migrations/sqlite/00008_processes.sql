-- +goose Up

-- What people order, they order for any process, not for payments alone: rows
-- name the process by its workflow id, as the journal does.
ALTER TABLE actions ADD COLUMN process TEXT NOT NULL DEFAULT '';
UPDATE actions SET process = 'payment/' || payment_id;
DROP INDEX actions_by_payment;
ALTER TABLE actions DROP COLUMN payment_id;
CREATE INDEX actions_by_process ON actions (process, id);

-- The partner's own name of a call, which its support asks for.
ALTER TABLE journal ADD COLUMN trace_id TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE journal DROP COLUMN trace_id;
DROP INDEX actions_by_process;
ALTER TABLE actions ADD COLUMN payment_id BIGINT NOT NULL DEFAULT 0;
UPDATE actions SET payment_id = CAST(substr(process, 9) AS BIGINT) WHERE process LIKE 'payment/%';
ALTER TABLE actions DROP COLUMN process;
CREATE INDEX actions_by_payment ON actions (payment_id, id);
