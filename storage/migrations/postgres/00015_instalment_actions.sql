-- +goose Up

-- What two people say of how an instalment or a return ended. A proposal is the first
-- operator's word, which waits for a second one's until proposed_until.
ALTER TABLE instalment_orders ADD COLUMN proposed TEXT NOT NULL DEFAULT ''; -- the terminal state that was proposed
ALTER TABLE instalment_orders ADD COLUMN proposed_action BIGINT;            -- that action
ALTER TABLE instalment_orders ADD COLUMN proposed_by TEXT NOT NULL DEFAULT '';
ALTER TABLE instalment_orders ADD COLUMN proposed_until BIGINT;
ALTER TABLE instalment_orders ADD COLUMN resolved_action BIGINT;            -- the second operator's; NULL: people ended nothing
-- People changed the row, and its workflow may not have read that yet.
ALTER TABLE instalment_orders ADD COLUMN wake BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX instalment_orders_to_wake ON instalment_orders (id) WHERE wake;

ALTER TABLE order_returns ADD COLUMN held BOOLEAN NOT NULL DEFAULT FALSE;   -- by a person
ALTER TABLE order_returns ADD COLUMN proposed TEXT NOT NULL DEFAULT '';
ALTER TABLE order_returns ADD COLUMN proposed_action BIGINT;
ALTER TABLE order_returns ADD COLUMN proposed_by TEXT NOT NULL DEFAULT '';
ALTER TABLE order_returns ADD COLUMN proposed_until BIGINT;
ALTER TABLE order_returns ADD COLUMN resolved_action BIGINT;
ALTER TABLE order_returns ADD COLUMN wake BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX order_returns_to_wake ON order_returns (order_id, id) WHERE wake;

ALTER TABLE order_callbacks ADD COLUMN meaning TEXT NOT NULL DEFAULT ''; -- in our words; '' in older rows

-- +goose Down
ALTER TABLE order_callbacks DROP COLUMN meaning;
DROP INDEX order_returns_to_wake;
ALTER TABLE order_returns DROP COLUMN wake;
ALTER TABLE order_returns DROP COLUMN resolved_action;
ALTER TABLE order_returns DROP COLUMN proposed_until;
ALTER TABLE order_returns DROP COLUMN proposed_by;
ALTER TABLE order_returns DROP COLUMN proposed_action;
ALTER TABLE order_returns DROP COLUMN proposed;
ALTER TABLE order_returns DROP COLUMN held;
DROP INDEX instalment_orders_to_wake;
ALTER TABLE instalment_orders DROP COLUMN wake;
ALTER TABLE instalment_orders DROP COLUMN resolved_action;
ALTER TABLE instalment_orders DROP COLUMN proposed_until;
ALTER TABLE instalment_orders DROP COLUMN proposed_by;
ALTER TABLE instalment_orders DROP COLUMN proposed_action;
ALTER TABLE instalment_orders DROP COLUMN proposed;
