-- +goose Up

-- What readiness checks write, to prove that the ledger can be written. Holds one row of no
-- meaning.
CREATE TABLE readiness (
    written TEXT NOT NULL
);

-- The APIs and workers that run, with the settings on which all of them must agree.
CREATE TABLE instances (
    id         TEXT   PRIMARY KEY,
    part       TEXT   NOT NULL,
    host       TEXT   NOT NULL,
    settings   TEXT   NOT NULL, -- JSON, nothing secret
    started_at BIGINT NOT NULL, -- microseconds since 1970 UTC
    seen_at    BIGINT NOT NULL
);

-- +goose Down
DROP TABLE instances;
DROP TABLE readiness;
