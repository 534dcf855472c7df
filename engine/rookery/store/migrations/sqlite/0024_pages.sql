-- A page of sends or files reads the rows of one state alone, however rare it is. Numbers follow in every index, so each of them
-- is also in order. Sends that wait are in `messages_under_way` and `messages_waiting`.
CREATE INDEX messages_finished ON messages (uid, state) WHERE state NOT IN ('queued', 'sending', 'scheduled');
DROP INDEX messages_session;
CREATE INDEX media_kind ON media (state, origin);
CREATE INDEX media_session_kind ON media (session, state, origin);
DROP INDEX media_named;
