-- +goose Up

-- One row is one Idempotency-Key of POST /v1/payments/batch. Its payments hold
-- its id; row i of a batch has the idempotency key "<batch's key> <i>".
CREATE TABLE batches (
    id              BIGINT PRIMARY KEY,
    caller          TEXT   NOT NULL,
    idempotency_key TEXT   NOT NULL,
    created_at      BIGINT NOT NULL,
    UNIQUE (caller, idempotency_key)
);
ALTER TABLE payments ADD COLUMN batch_id BIGINT; -- NULL: accepted by itself

-- The intake reads a batch's accepted payments by id, people all of a batch. The
-- state is not in the index: moving a payment would rewrite it.
CREATE INDEX payments_by_batch ON payments (batch_id, id) WHERE batch_id IS NOT NULL;

-- +goose Down
DROP INDEX payments_by_batch;
ALTER TABLE payments DROP COLUMN batch_id;
DROP TABLE batches;
