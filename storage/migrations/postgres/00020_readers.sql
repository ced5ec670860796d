-- +goose Up

-- Names of the fields of an answer that could not be read and decide nothing, with commas
-- between them; '' in rows from before. Of an unreadable answer failure names the field.
ALTER TABLE journal ADD COLUMN dropped TEXT NOT NULL DEFAULT '';

-- The type of the service in the centre's catalogue at acceptance. NULL in payments from
-- before, and while no catalogue was known.
ALTER TABLE payments ADD COLUMN service_type BIGINT;

-- +goose Down
ALTER TABLE payments DROP COLUMN service_type;
ALTER TABLE journal DROP COLUMN dropped;
