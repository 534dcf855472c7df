-- Sends that are over, by age. Scheduled ones wait for ever and were looked through by each step of retention.
CREATE INDEX messages_over ON messages (updated_at) WHERE state NOT IN ('queued', 'sending', 'scheduled');
DROP INDEX messages_final;
