-- +goose Up

-- What needs a person, whatever state its process is in: at most one open incident for a
-- process and reason. A row goes when the incident is closed; its entries stay. While a
-- process has a row here its own row says needs_operator.
CREATE TABLE open_incidents (
    id           INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice
    process      TEXT    NOT NULL, -- kind: payment | order | return | payment_order
    subject      TEXT    NOT NULL, -- agentTransactionId, store_order_id or contract number
    part         TEXT    NOT NULL, -- store_return_id; '' for the others
    reason       TEXT    NOT NULL,
    facts        BIGINT  NOT NULL, -- entries that state one, the opening included
    acknowledged BOOLEAN NOT NULL, -- by a person, since the last fact
    opened_at    BIGINT  NOT NULL,
    changed_at   BIGINT  NOT NULL,
    UNIQUE (process, subject, part, reason)
);
CREATE INDEX open_incidents_by_age ON open_incidents (opened_at, id);

-- Everything that happened to incidents. Rows are inserted, never changed.
CREATE TABLE incident_entries (
    id                 INTEGER PRIMARY KEY AUTOINCREMENT,
    incident           BIGINT NOT NULL, -- id in open_incidents, while it was there
    process            TEXT   NOT NULL,
    subject            TEXT   NOT NULL,
    part               TEXT   NOT NULL,
    reason             TEXT   NOT NULL,
    entry              TEXT   NOT NULL, -- opened | fact | acknowledged | proposed | declined | closed
    evidence           TEXT   NOT NULL, -- opened, fact: codes, states and ids; nothing personal
    caller             TEXT   NOT NULL, -- the token's name; '' is Tolem itself
    why                TEXT   NOT NULL, -- free text of a person
    money              TEXT   NOT NULL, -- proposed, closed: moved | not_moved; '' for an incident that is not about money
    transaction_number TEXT   NOT NULL, -- proposed, closed: the partner's, of money that moved
    action_id          BIGINT,          -- the action that a person asked for
    at                 BIGINT NOT NULL
);
CREATE INDEX incident_entries_by_incident ON incident_entries (incident, id);
CREATE INDEX incident_entries_by_subject ON incident_entries (process, subject, part, id);
CREATE INDEX incident_entries_opened ON incident_entries (incident) WHERE entry = 'opened';

-- Rows that need a person, ended ones among them: those that have ended are millions.
CREATE INDEX payments_needing_operator ON payments (created_at, id) WHERE needs_operator;
CREATE INDEX instalment_orders_needing_operator ON instalment_orders (created_at, id) WHERE needs_operator;

-- What is flagged today becomes an incident.
INSERT INTO open_incidents (process, subject, part, reason, facts, acknowledged, opened_at, changed_at)
    SELECT 'payment', CAST(id AS TEXT), '', operator_reason, 1, FALSE, updated_at, updated_at FROM payments WHERE needs_operator;
INSERT INTO open_incidents (process, subject, part, reason, facts, acknowledged, opened_at, changed_at)
    SELECT 'order', id, '', operator_reason, 1, FALSE, updated_at, updated_at FROM instalment_orders WHERE needs_operator;
INSERT INTO open_incidents (process, subject, part, reason, facts, acknowledged, opened_at, changed_at)
    SELECT 'return', order_id, id, operator_reason, 1, FALSE, updated_at, updated_at FROM order_returns WHERE needs_operator;
INSERT INTO open_incidents (process, subject, part, reason, facts, acknowledged, opened_at, changed_at)
    SELECT 'payment_order', contract, '', operator_reason, 1, FALSE, updated_at, updated_at FROM payment_orders WHERE needs_operator;
INSERT INTO incident_entries (incident, process, subject, part, reason, entry, evidence, caller, why, money, transaction_number, at)
    SELECT id, process, subject, part, reason, 'opened', 'flagged before incidents were kept', '', '', '', '', opened_at FROM open_incidents;

-- +goose Down
DROP INDEX instalment_orders_needing_operator;
DROP INDEX payments_needing_operator;
DROP TABLE incident_entries;
DROP TABLE open_incidents;
