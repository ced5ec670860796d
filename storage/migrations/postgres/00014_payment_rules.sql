-- +goose Up

-- The centre's last word about the payment itself: a code of its table but for 202 and
-- 215, which speak of the last request. NULL before the first.
ALTER TABLE payments ADD COLUMN payment_code BIGINT;
-- The centre said 215 before a pay of ours could be why: it may have the money of a
-- payment with this id. Then nothing is sent but by an operator's retry, and only the code
-- 0 or two people end the payment.
ALTER TABLE payments ADD COLUMN id_held_by_centre BOOLEAN NOT NULL DEFAULT FALSE;
-- What the first person's resolve cites: '' | centre_cancelled | register.
ALTER TABLE payments ADD COLUMN proposed_evidence TEXT NOT NULL DEFAULT '';
UPDATE payments SET payment_code = (
    SELECT j.result_code FROM journal j
    WHERE j.process = 'payment/' || payments.id AND j.phase IN ('call', 'outcome')
        AND j.result_code IN (0, 1, 4, 5, 7, 8, 130, 153, 155, 220, 241, 242, 250, 255, 300)
    ORDER BY j.id DESC LIMIT 1)
WHERE state IN ('accepted', 'checking', 'awaiting_payer', 'paying');

ALTER TABLE actions ADD COLUMN evidence_kind   TEXT NOT NULL DEFAULT ''; -- resolve: '' | centre_cancelled | register
ALTER TABLE actions ADD COLUMN register_sha256 TEXT NOT NULL DEFAULT ''; -- of the register that is cited

-- The processing centre's registers that were compared, by the bytes that came. closed
-- says that the day was over when one of these bytes came.
CREATE TABLE registers (
    id          BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    day         TEXT    NOT NULL, -- YYYY-MM-DD, by agentTransactionDate
    sha256      TEXT    NOT NULL,
    entries     BIGINT  NOT NULL,
    closed      BOOLEAN NOT NULL,
    caller      TEXT    NOT NULL, -- the token's name
    received_at BIGINT  NOT NULL,
    UNIQUE (day, sha256)
);

-- Our payments of a register's day that were open when it was compared, and that it does
-- not contain.
CREATE TABLE register_absences (
    register_id BIGINT NOT NULL REFERENCES registers (id),
    payment_id  BIGINT NOT NULL,
    PRIMARY KEY (register_id, payment_id)
);

-- A rise of the balance is spent in the order of acceptance.
DROP INDEX payments_waiting_for_funds;
CREATE INDEX payments_waiting_for_funds ON payments (created_at, id)
    WHERE state IN ('checking', 'paying') AND result_code = 220;

-- Two orders with one number at the bank are told apart by it. Older rows may share one.
CREATE INDEX instalment_orders_by_bank_order_id ON instalment_orders (bank_order_id) WHERE bank_order_id <> '';

-- +goose Down
DROP INDEX instalment_orders_by_bank_order_id;
DROP INDEX payments_waiting_for_funds;
CREATE INDEX payments_waiting_for_funds ON payments (id)
    WHERE state IN ('checking', 'paying') AND result_code = 220;
DROP TABLE register_absences;
DROP TABLE registers;
ALTER TABLE actions DROP COLUMN register_sha256;
ALTER TABLE actions DROP COLUMN evidence_kind;
ALTER TABLE payments DROP COLUMN proposed_evidence;
ALTER TABLE payments DROP COLUMN id_held_by_centre;
ALTER TABLE payments DROP COLUMN payment_code;
