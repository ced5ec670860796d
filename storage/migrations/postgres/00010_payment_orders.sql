-- +goose Up

-- One row is one loan contract in collection, for ever: last_seq numbers what is told
-- of it to Loxon, across payment orders, without a gap. Whoever changes anything of a
-- contract locks this row first.
CREATE TABLE collection_contracts (
    contract TEXT   PRIMARY KEY, -- "Номер ДБЗ"
    last_seq BIGINT NOT NULL
);

-- References are made of it, so that no two payment orders share a number.
CREATE TABLE payment_order_numbers (
    last BIGINT NOT NULL
);
INSERT INTO payment_order_numbers (last) VALUES (0);

-- One row is one payment order: the loan as it was last reported, and where the demand
-- stands. Amounts are tiyn, times are microseconds since 1970 UTC, days are YYYY-MM-DD.
CREATE TABLE payment_orders (
    id              BIGINT  PRIMARY KEY, -- the number in its references
    contract        TEXT    NOT NULL REFERENCES collection_contracts (contract),
    batch_id        BIGINT  NOT NULL, -- of the latest report
    caller          TEXT    NOT NULL,
    request_ref     TEXT    NOT NULL UNIQUE, -- EAR…
    order_ref       TEXT    NOT NULL UNIQUE, -- PTP…

    loan_number     TEXT    NOT NULL, -- contract_number, the loan's own
    iban            TEXT    NOT NULL,
    currency        TEXT    NOT NULL,
    full_name       TEXT    NOT NULL,
    iinbin          TEXT    NOT NULL,
    system          TEXT    NOT NULL,
    contract_date   TEXT    NOT NULL, -- '' when nobody told it
    debt            BIGINT  NOT NULL, -- as reported last
    overdue_days    BIGINT  NOT NULL,
    reported_on     TEXT    NOT NULL, -- day of the latest report
    paid_since      BIGINT  NOT NULL, -- executions after the latest report

    amount          BIGINT  NOT NULL, -- of the payment order; 0 until it is fixed
    paid            BIGINT  NOT NULL, -- all executions
    state           TEXT    NOT NULL,
    reached         TEXT    NOT NULL, -- by the statuses that came; the state, once the request was sent
    needs_operator  BOOLEAN NOT NULL,
    operator_reason TEXT    NOT NULL,
    held            BOOLEAN NOT NULL,
    close_action    BIGINT,           -- of the first operator who ordered to close it
    close_until     BIGINT,
    close_caller    TEXT    NOT NULL,
    attempts        BIGINT  NOT NULL, -- calls for it, to ABS and to Kafka
    next_attempt_at BIGINT,
    sent_at         BIGINT,           -- when "request was sent" was stored
    ended_at        BIGINT,
    created_at      BIGINT  NOT NULL,
    updated_at      BIGINT  NOT NULL
);
CREATE UNIQUE INDEX payment_orders_open ON payment_orders (contract)
    WHERE state NOT IN ('executed', 'reversed', 'not_accepted', 'closed');
CREATE INDEX payment_orders_by_contract ON payment_orders (contract, id);
CREATE INDEX payment_orders_by_batch ON payment_orders (batch_id, id);

-- What was reported of a contract on a day: a day begins one payment order at most.
CREATE TABLE loan_reports (
    contract     TEXT   NOT NULL,
    day          TEXT   NOT NULL,
    order_id     BIGINT NOT NULL,
    batch_id     BIGINT NOT NULL, -- the last of the day
    debt         BIGINT NOT NULL,
    overdue_days BIGINT NOT NULL,
    at           BIGINT NOT NULL,
    PRIMARY KEY (contract, day)
);

-- The dossier of a payment order, as ABS gave it. A scan is a file, named by its digest.
CREATE TABLE dossier_parts (
    order_id   BIGINT NOT NULL REFERENCES payment_orders (id),
    part       TEXT   NOT NULL, -- client | accounts | statement | scan
    state      TEXT   NOT NULL, -- missing | got | refused
    answer     TEXT   NOT NULL, -- JSON
    error_code BIGINT NOT NULL, -- ABS's
    error_text TEXT   NOT NULL,
    digest     TEXT   NOT NULL,
    media_type TEXT   NOT NULL,
    file_name  TEXT   NOT NULL,
    size       BIGINT NOT NULL,
    got_at     BIGINT,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (order_id, part)
);

-- Every status that came, or that we gave, once by its key; what is told to Loxon has a
-- seq of its contract, and from its first attempt on its exact bytes.
CREATE TABLE payment_order_events (
    id             BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    contract       TEXT   NOT NULL,
    order_id       BIGINT NOT NULL REFERENCES payment_orders (id),
    caller         TEXT   NOT NULL,
    event_key      TEXT   NOT NULL,
    request_sha256 TEXT   NOT NULL,
    status         TEXT   NOT NULL,
    verdict        TEXT   NOT NULL, -- taken | repeated
    state_after    TEXT   NOT NULL,
    event_at       BIGINT NOT NULL,
    paid_increment BIGINT NOT NULL,
    refuse_ref     TEXT   NOT NULL,
    bic            TEXT   NOT NULL,
    received_at    BIGINT NOT NULL,

    seq            BIGINT, -- NULL: repeated, or it waits for "request was sent"
    debt           BIGINT NOT NULL, -- these three as they are told
    amount         BIGINT NOT NULL,
    paid           BIGINT NOT NULL,
    message        BYTEA,
    topic          TEXT   NOT NULL,
    topic_partition BIGINT NOT NULL,
    topic_offset   BIGINT NOT NULL,
    told_at        BIGINT, -- when the broker had acknowledged it
    UNIQUE (order_id, caller, event_key),
    UNIQUE (contract, seq)
);
CREATE INDEX payment_order_events_untold ON payment_order_events (contract, seq) WHERE seq IS NOT NULL AND told_at IS NULL;

-- +goose Down
DROP TABLE payment_order_events;
DROP TABLE dossier_parts;
DROP TABLE loan_reports;
DROP TABLE payment_orders;
DROP TABLE payment_order_numbers;
DROP TABLE collection_contracts;
