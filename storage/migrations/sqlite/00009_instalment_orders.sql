-- +goose Up

-- One row is one instalment order that a store sent; the row is the acceptance.
-- Amounts are tiyn, times are microseconds since 1970 UTC.
CREATE TABLE instalment_orders (
    id                 TEXT    PRIMARY KEY, -- store_order_id
    caller             TEXT    NOT NULL,
    request_sha256     TEXT    NOT NULL,
    request            TEXT    NOT NULL, -- JSON: invoice, credit products, goods
    client_phone       TEXT    NOT NULL,
    point_id           TEXT    NOT NULL,
    total_sum          BIGINT  NOT NULL,
    validate_client    BOOLEAN NOT NULL,
    auto_confirm       BOOLEAN NOT NULL,
    callback_token     TEXT    NOT NULL UNIQUE, -- in the address that the bank calls back; nobody can guess it
    create_body        BLOB    NOT NULL, -- the exact bytes of every create
    retry_initial      BIGINT  NOT NULL, -- nanoseconds
    retry_factor_milli BIGINT  NOT NULL,

    state              TEXT    NOT NULL,
    fail_reason        TEXT    NOT NULL, -- why a failed order failed: the bank's sub-state, or a word of ours
    needs_operator     BOOLEAN NOT NULL,
    operator_reason    TEXT    NOT NULL,
    held               BOOLEAN NOT NULL,
    step               BIGINT  NOT NULL, -- of the last state write, counted by the workflow
    attempts           BIGINT  NOT NULL, -- calls that may have changed something at the bank
    waits              BIGINT  NOT NULL, -- scheduled waits of the growing ladder so far
    next_attempt_at    BIGINT,

    bank_order_id      TEXT    NOT NULL,
    bank_state         TEXT    NOT NULL, -- in the bank's words
    bank_sub_state     TEXT    NOT NULL,
    bank_meaning       TEXT    NOT NULL, -- in ours
    bank_message       TEXT    NOT NULL,
    contract_number    TEXT    NOT NULL, -- of the credit contract; the letter itself is not kept
    contract_date      TEXT    NOT NULL,
    client_found       BOOLEAN,          -- NULL: not asked, or not answered
    to_card            BOOLEAN,          -- whether the bank can return money to the card; NULL: not told
    create_sent_at     BIGINT,           -- set before the first byte of the first create
    decision           TEXT    NOT NULL, -- confirm | reject; written once
    decided_by         TEXT    NOT NULL,
    decided_at         BIGINT,
    decision_sent_at   BIGINT,           -- set before the first byte of the first confirm or reject
    active_at          BIGINT,
    ended_at           BIGINT,
    returned_sum       BIGINT  NOT NULL,

    created_at         BIGINT  NOT NULL,
    updated_at         BIGINT  NOT NULL
);
CREATE INDEX instalment_orders_by_age ON instalment_orders (created_at, id);
CREATE INDEX instalment_orders_open ON instalment_orders (id) WHERE state NOT IN ('paid_out', 'failed');

-- What the bank called back, each piece of news once. seen_at is when the order's
-- state was asked after it came: until then somebody has to be woken.
CREATE TABLE order_callbacks (
    order_id       TEXT   NOT NULL,
    state          TEXT   NOT NULL,
    sub_state      TEXT   NOT NULL,
    bank_order_id  TEXT   NOT NULL,
    at             BIGINT NOT NULL,
    seen_at        BIGINT,
    PRIMARY KEY (order_id, state, sub_state)
);
CREATE INDEX order_callbacks_unseen ON order_callbacks (order_id) WHERE seen_at IS NULL;

-- Returns of goods, each with a process of its own.
CREATE TABLE order_returns (
    order_id           TEXT    NOT NULL,
    id                 TEXT    NOT NULL, -- store_return_id
    caller             TEXT    NOT NULL,
    request_sha256     TEXT    NOT NULL,
    sum                BIGINT  NOT NULL,
    to_card            BOOLEAN NOT NULL,
    body               BLOB    NOT NULL, -- the exact bytes of every return
    retry_initial      BIGINT  NOT NULL, -- nanoseconds
    retry_factor_milli BIGINT  NOT NULL,

    state              TEXT    NOT NULL,
    needs_operator     BOOLEAN NOT NULL,
    operator_reason    TEXT    NOT NULL,
    step               BIGINT  NOT NULL,
    attempts           BIGINT  NOT NULL,
    waits              BIGINT  NOT NULL,
    next_attempt_at    BIGINT,
    reversed_before    BIGINT,           -- what the bank had taken back before the first byte of the first return
    bank_message       TEXT    NOT NULL,
    sent_at            BIGINT,           -- set before that byte
    ended_at           BIGINT,

    created_at         BIGINT  NOT NULL,
    updated_at         BIGINT  NOT NULL,
    PRIMARY KEY (order_id, id)
);
-- One return of an order at a time: else nobody could tell which one the bank has
-- taken back.
CREATE UNIQUE INDEX order_returns_open ON order_returns (order_id) WHERE state IN ('accepted', 'returning');

-- When the bank was last asked for a client by phone: each time it may send an SMS.
CREATE TABLE client_validations (
    phone    TEXT   PRIMARY KEY,
    asked_at BIGINT NOT NULL
);

-- +goose Down
DROP TABLE client_validations;
DROP TABLE order_returns;
DROP TABLE order_callbacks;
DROP TABLE instalment_orders;
