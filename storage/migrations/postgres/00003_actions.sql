-- +goose Up

-- What people ordered for payments: who, why, when, on what evidence, and what
-- it did. effect is written once, in the transaction that does it.
CREATE TABLE actions (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment_id      BIGINT NOT NULL,
    action          TEXT   NOT NULL,
    outcome         TEXT   NOT NULL, -- resolve: the state that is ordered
    caller          TEXT   NOT NULL, -- the token's name
    idempotency_key TEXT   NOT NULL,
    request_sha256  TEXT   NOT NULL,
    reason          TEXT   NOT NULL, -- free text of a person
    evidence        TEXT   NOT NULL, -- resolve: the partner's letter or register row
    bulk            TEXT   NOT NULL, -- idempotency key of the bulk order it came with
    requested_at    BIGINT NOT NULL,
    effect          TEXT   NOT NULL,
    done_at         BIGINT,
    UNIQUE (caller, idempotency_key)
);
CREATE INDEX actions_by_payment ON actions (payment_id, id);
CREATE INDEX actions_by_bulk ON actions (caller, bulk, id) WHERE bulk <> '';

ALTER TABLE payments ADD COLUMN held BOOLEAN NOT NULL DEFAULT FALSE;           -- by a person
ALTER TABLE payments ADD COLUMN paused BOOLEAN NOT NULL DEFAULT FALSE;         -- the last attempt was not made: the partner is down
ALTER TABLE payments ADD COLUMN proposed TEXT NOT NULL DEFAULT '';             -- what a first operator's resolve ordered
ALTER TABLE payments ADD COLUMN proposed_action BIGINT;                        -- that order
ALTER TABLE payments ADD COLUMN proposed_until BIGINT;                         -- when it lapses
ALTER TABLE journal ADD COLUMN action_id BIGINT;                               -- the order that an event followed

-- +goose Down
ALTER TABLE journal DROP COLUMN action_id;
ALTER TABLE payments DROP COLUMN proposed_until;
ALTER TABLE payments DROP COLUMN proposed_action;
ALTER TABLE payments DROP COLUMN proposed;
ALTER TABLE payments DROP COLUMN paused;
ALTER TABLE payments DROP COLUMN held;
DROP TABLE actions;
