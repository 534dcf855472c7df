-- Sends that are over, by age. Scheduled ones wait for ever and were looked through by each step of retention.
SET LOCAL lock_timeout = '2s';
CREATE INDEX messages_over ON rookery.messages (updated_at) WHERE state NOT IN ('queued', 'sending', 'scheduled');
