-- +goose Up

-- One day by agentTransactionDate, in the order of ids: the pages of a
-- reconciliation. With the whole date first, each page would sort the day again.
CREATE INDEX payments_by_day ON payments (substr(agent_transaction_date, 1, 10), id);

-- +goose Down
DROP INDEX payments_by_day;
