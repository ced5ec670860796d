-- +goose Up

-- What all processes of a ledger must agree on. timezone: in which days are kept.
CREATE TABLE settings (
    name       TEXT   PRIMARY KEY,
    value      TEXT   NOT NULL,
    updated_at BIGINT NOT NULL -- microseconds since 1970 UTC
);

-- +goose Down
DROP TABLE settings;
