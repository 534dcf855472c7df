-- A page of sends, files or audit entries reads the rows alone that match, however rare they are. Numbers follow in every index,
-- so each of them is also in order. Sends that wait are in `messages_under_way` and `messages_waiting`. Most sends of a chat end as
-- `sent`: the index of the others costs those nothing.
CREATE INDEX messages_finished ON messages (uid, state) WHERE state NOT IN ('queued', 'sending', 'scheduled');
CREATE INDEX messages_chat_unusual ON messages (uid, recipient, state)
    WHERE state NOT IN ('queued', 'sending', 'scheduled', 'sent');
DROP INDEX messages_session;
CREATE INDEX media_kind ON media (state, origin);
CREATE INDEX media_session_kind ON media (session, state, origin);
CREATE INDEX audit_session_key ON audit (session, key) WHERE session IS NOT NULL;
