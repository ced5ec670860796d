-- +goose Up

-- Whether this ledger lacks commits that it once had. mark rises about once a second; a
-- process that has seen a higher one closes the gate: nothing is sent or taken until
-- `tolem after-restore` has run. One row.
CREATE TABLE ledger_state (
    id          BIGINT PRIMARY KEY CHECK (id = 1),
    mark        BIGINT NOT NULL, -- epoch * 2^40 + a counter
    marked_at   BIGINT NOT NULL, -- microseconds since 1970 UTC, as all times here
    gate        TEXT   NOT NULL, -- open | closed | reconciling
    closed_at   BIGINT,
    why         TEXT   NOT NULL, -- what closed it
    window_from BIGINT,          -- of the last restore: the commits between are lost
    window_to   BIGINT
);
INSERT INTO ledger_state (id, mark, marked_at, gate, why) VALUES (1, 0, 0, 'open', '');

-- What every run of after-restore did. Rows are inserted, never changed.
CREATE TABLE restores (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    what        TEXT   NOT NULL, -- held | compared | reconciled
    epoch       BIGINT NOT NULL, -- number of the restore, from 1
    window_from BIGINT NOT NULL,
    window_to   BIGINT NOT NULL,
    counts      TEXT   NOT NULL, -- JSON
    why         TEXT   NOT NULL, -- reconciled: free text of a person
    at          BIGINT NOT NULL
);

-- A row that a restore holds: its last writes may be lost. restored until it is released;
-- restored_epoch stays.
ALTER TABLE payments ADD COLUMN restored             BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE payments ADD COLUMN restored_epoch       BIGINT  NOT NULL DEFAULT 0;
ALTER TABLE payments ADD COLUMN restored_released_at BIGINT;
ALTER TABLE payments ADD COLUMN release_action       BIGINT; -- of the first person who would release it
ALTER TABLE instalment_orders ADD COLUMN restored             BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE instalment_orders ADD COLUMN restored_epoch       BIGINT  NOT NULL DEFAULT 0;
ALTER TABLE instalment_orders ADD COLUMN restored_released_at BIGINT;
ALTER TABLE instalment_orders ADD COLUMN release_action       BIGINT;
ALTER TABLE order_returns ADD COLUMN restored             BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE order_returns ADD COLUMN restored_epoch       BIGINT  NOT NULL DEFAULT 0;
ALTER TABLE order_returns ADD COLUMN restored_released_at BIGINT;
ALTER TABLE order_returns ADD COLUMN release_action       BIGINT;
ALTER TABLE payment_orders ADD COLUMN restored             BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE payment_orders ADD COLUMN restored_epoch       BIGINT  NOT NULL DEFAULT 0;
ALTER TABLE payment_orders ADD COLUMN restored_released_at BIGINT;
ALTER TABLE payment_orders ADD COLUMN release_action       BIGINT;

-- +goose Down
ALTER TABLE payment_orders DROP COLUMN release_action;
ALTER TABLE payment_orders DROP COLUMN restored_released_at;
ALTER TABLE payment_orders DROP COLUMN restored_epoch;
ALTER TABLE payment_orders DROP COLUMN restored;
ALTER TABLE order_returns DROP COLUMN release_action;
ALTER TABLE order_returns DROP COLUMN restored_released_at;
ALTER TABLE order_returns DROP COLUMN restored_epoch;
ALTER TABLE order_returns DROP COLUMN restored;
ALTER TABLE instalment_orders DROP COLUMN release_action;
ALTER TABLE instalment_orders DROP COLUMN restored_released_at;
ALTER TABLE instalment_orders DROP COLUMN restored_epoch;
ALTER TABLE instalment_orders DROP COLUMN restored;
ALTER TABLE payments DROP COLUMN release_action;
ALTER TABLE payments DROP COLUMN restored_released_at;
ALTER TABLE payments DROP COLUMN restored_epoch;
ALTER TABLE payments DROP COLUMN restored;
DROP TABLE restores;
DROP TABLE ledger_state;
