-- +goose Up

-- What Loxon is told of an event names the trace that it came from, the same at each
-- repetition: it is fixed with the event. '' for an event that nobody traced.
ALTER TABLE payment_order_events ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE payment_order_events DROP COLUMN traceparent;
