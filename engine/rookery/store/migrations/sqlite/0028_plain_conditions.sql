-- The same indexes with conditions that SQLite evaluates by comparing. For `NOT IN` with three values or more it makes a table of
-- them, for each row that is written and each index, twice if the row is updated: half the time of an update.
DROP INDEX messages_finished;
CREATE INDEX messages_finished ON messages (uid, state)
    WHERE state <> 'queued' AND state <> 'sending' AND state <> 'scheduled';
DROP INDEX messages_chat_unusual;
CREATE INDEX messages_chat_unusual ON messages (uid, recipient, state)
    WHERE state <> 'queued' AND state <> 'sending' AND state <> 'scheduled' AND state <> 'sent';
DROP INDEX messages_over;
CREATE INDEX messages_over ON messages (updated_at)
    WHERE state <> 'queued' AND state <> 'sending' AND state <> 'scheduled';
