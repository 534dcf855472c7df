-- Calls of platform methods that wait, so that answers to queries are found before the sends that were queued earlier.
CREATE INDEX messages_calls ON messages (uid, number) WHERE state = 'queued' AND substr(content, 1, 15) = '{"type":"call",';
