-- oldest: 6
-- Calls of platform methods that wait, so that answers to queries are found before the sends that were queued earlier.
CREATE INDEX messages_calls ON rookery.messages (uid, number) WHERE state = 'queued' AND left(content, 15) = '{"type":"call",';
