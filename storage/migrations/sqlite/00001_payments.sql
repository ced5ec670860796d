-- +goose Up

-- The five last digits of a generated agentTransactionId, in blocks of 100 that a
-- process takes at once.
CREATE TABLE payment_numbers (last BIGINT NOT NULL);
INSERT INTO payment_numbers (last) VALUES (-1);

-- One row is one accepted payment; the row is the acceptance. Amounts are tiyn,
-- times are microseconds since 1970 UTC.
CREATE TABLE payments (
    id                     BIGINT  PRIMARY KEY, -- agentTransactionId
    caller                 TEXT    NOT NULL,
    idempotency_key        TEXT    NOT NULL,
    request_sha256         TEXT    NOT NULL,
    service_id             TEXT    NOT NULL,
    account                TEXT    NOT NULL,
    amount_to              BIGINT,
    amount_from            BIGINT,
    extras                 TEXT    NOT NULL, -- JSON object
    identity_card          TEXT    NOT NULL,
    full_name              TEXT    NOT NULL,
    auto_pay               BOOLEAN NOT NULL,
    agent_transaction_date TEXT    NOT NULL, -- as sent, local time
    retry_initial          BIGINT  NOT NULL, -- nanoseconds
    retry_factor_milli     BIGINT  NOT NULL,

    state                  TEXT    NOT NULL,
    needs_operator         BOOLEAN NOT NULL,
    operator_reason        TEXT    NOT NULL,
    step                   BIGINT  NOT NULL, -- of the last state write, counted by the workflow
    attempts               BIGINT  NOT NULL,
    waits                  BIGINT  NOT NULL, -- scheduled waits of the growing ladder so far
    next_attempt_at        BIGINT,

    result_code            BIGINT,
    result_message         TEXT    NOT NULL,
    transaction_id         BIGINT,
    transaction_date       TEXT    NOT NULL,
    status_date            TEXT    NOT NULL,
    check_body             BLOB,             -- the exact bytes of every check
    check_answer           TEXT    NOT NULL, -- JSON, as the partner answered
    asks_payer             TEXT    NOT NULL, -- why the payment waits for the payer
    pay_body               BLOB,             -- the exact bytes of every pay
    pay_sent_at            BIGINT,           -- set before the first byte of the first pay

    created_at             BIGINT  NOT NULL,
    updated_at             BIGINT  NOT NULL,
    UNIQUE (caller, idempotency_key)
);
CREATE INDEX payments_by_age ON payments (created_at, id);
CREATE INDEX payments_by_transaction_id ON payments (transaction_id) WHERE transaction_id IS NOT NULL;
CREATE INDEX payments_open ON payments (created_at, id)
    WHERE state IN ('accepted', 'checking', 'awaiting_payer', 'paying');

-- Every call to a partner and everything a person did to a process. Rows are
-- inserted, never changed.
CREATE TABLE journal (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    process        TEXT   NOT NULL, -- workflow id
    phase          TEXT   NOT NULL, -- started | outcome | call | event
    started_id     BIGINT,          -- outcome: the started row it belongs to
    call           TEXT   NOT NULL,
    step           BIGINT NOT NULL,
    attempt        BIGINT NOT NULL,
    execution      TEXT   NOT NULL,
    cause          TEXT   NOT NULL,
    waited         BIGINT NOT NULL, -- nanoseconds of the scheduled wait before it
    at             BIGINT NOT NULL, -- when the call began, or the event happened
    duration       BIGINT NOT NULL, -- microseconds
    body_sha256    TEXT   NOT NULL,
    outcome        TEXT   NOT NULL,
    failure        TEXT   NOT NULL,
    http_status    BIGINT NOT NULL,
    result_code    BIGINT,
    result_message TEXT   NOT NULL
);
CREATE INDEX journal_by_process ON journal (process, id);

-- +goose Down
DROP TABLE journal;
DROP TABLE payments;
DROP TABLE payment_numbers;
