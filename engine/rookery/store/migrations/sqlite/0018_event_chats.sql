-- The events of each chat, for pages of the log by chat. The task that follows the log for the view of chats fills it, so that
-- receiving pays nothing. It is complete up to `chats_position` in `meta`.
CREATE TABLE event_chats (
    chat    TEXT NOT NULL,
    session TEXT NOT NULL,
    type    TEXT NOT NULL,
    event   INTEGER NOT NULL,
    PRIMARY KEY (chat, session, type, event)
) WITHOUT ROWID;

INSERT INTO event_chats SELECT chat, session, type, id FROM events
WHERE chat IS NOT NULL AND id <= coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'chats_position'), 0)
ORDER BY chat, session, type, id;

CREATE TRIGGER forget_event AFTER DELETE ON events WHEN OLD.chat IS NOT NULL BEGIN
    DELETE FROM event_chats WHERE chat = OLD.chat AND session = OLD.session AND type = OLD.type AND event = OLD.id;
END;

-- Pages of the audit by session or key read those entries alone.
CREATE INDEX audit_session ON audit (session) WHERE session IS NOT NULL;
CREATE INDEX audit_key ON audit (key);
