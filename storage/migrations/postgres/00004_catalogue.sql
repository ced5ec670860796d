-- +goose Up

-- Our copy of each partner's list of services, served while the partner does not
-- answer. One row per partner, replaced only by a newer list, and by an empty one
-- only while it is empty itself. Times are microseconds since 1970 UTC.
CREATE TABLE catalogues (
    partner    TEXT   PRIMARY KEY,
    content    TEXT   NOT NULL, -- JSON, as the partner's client writes it
    sha256     TEXT   NOT NULL, -- of content
    services   BIGINT NOT NULL, -- in content
    broken     BIGINT NOT NULL, -- entries left out of content because they cannot be read
    fetched_at BIGINT NOT NULL  -- when the partner told it
);

-- +goose Down
DROP TABLE catalogues;
