-- +goose Up

-- The partition that an event goes to, in topic and topic_partition, is chosen before its first
-- attempt. NULL in events from before: theirs is known once the broker has them.
ALTER TABLE payment_order_events ADD COLUMN placed_at BIGINT;

-- The latest event that the topic is known to hold, and when people last accepted a topic that
-- lacks earlier ones.
CREATE INDEX payment_order_events_told ON payment_order_events (topic, told_at) WHERE told_at IS NOT NULL;
CREATE INDEX incident_entries_topic_accepted ON incident_entries (at) WHERE reason = 'topic_changed' AND entry = 'closed' AND caller <> '';

-- +goose Down
DROP INDEX incident_entries_topic_accepted;
DROP INDEX payment_order_events_told;
ALTER TABLE payment_order_events DROP COLUMN placed_at;
