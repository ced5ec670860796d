-- +goose Up

-- What the payer decided between check and pay. Written once, never changed.
ALTER TABLE payments ADD COLUMN choice        TEXT NOT NULL DEFAULT ''; -- JSON, completed
ALTER TABLE payments ADD COLUMN choice_sha256 TEXT NOT NULL DEFAULT '';
ALTER TABLE payments ADD COLUMN chosen_by     TEXT NOT NULL DEFAULT ''; -- the token's name
ALTER TABLE payments ADD COLUMN chosen_at     BIGINT;
ALTER TABLE payments ADD COLUMN payer_until   BIGINT; -- until when the payer may choose

-- +goose Down
ALTER TABLE payments DROP COLUMN payer_until;
ALTER TABLE payments DROP COLUMN chosen_at;
ALTER TABLE payments DROP COLUMN chosen_by;
ALTER TABLE payments DROP COLUMN choice_sha256;
ALTER TABLE payments DROP COLUMN choice;
