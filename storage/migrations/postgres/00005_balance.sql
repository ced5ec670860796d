-- +goose Up

-- The agent's account at the processing centre, one row for each change. A
-- reading that finds nothing changed moves seen_at of the newest row, so that a
-- reading each minute does not write half a million equal rows a year. Amounts
-- are decimals as text, as they were read; times are microseconds since 1970 UTC.
CREATE TABLE balances (
    id           BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    previous     BIGINT  NOT NULL UNIQUE, -- id of the row that this one follows; 0 for the first
    at           BIGINT  NOT NULL, -- when these values were first read
    seen_at      BIGINT  NOT NULL, -- when they were last read
    agent_id     BIGINT  NOT NULL,
    balance      TEXT    NOT NULL,
    overdraft    TEXT    NOT NULL, -- at this balance payments are switched off
    notification TEXT,             -- at this balance the agent is told
    currency     TEXT    NOT NULL,
    rose         BOOLEAN NOT NULL, -- the balance is above the previous row's
    woken        BOOLEAN NOT NULL  -- rose, and the payments that waited for it were told
);
CREATE INDEX balances_to_wake ON balances (id) WHERE rose AND NOT woken;

-- The payments that wait for funds, by WaitingForFunds' own words.
CREATE INDEX payments_waiting_for_funds ON payments (id)
    WHERE state IN ('checking', 'paying') AND result_code = 220;

-- +goose Down
DROP INDEX payments_waiting_for_funds;
DROP TABLE balances;
