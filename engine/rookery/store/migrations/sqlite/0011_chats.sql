-- Chats are a view of the log and of the sends. A task of the engine fills `chat_entries` and `chats` from the log, a little
-- behind it, so that receiving pays nothing; whoever asks for a chat lets what is missing of it be added first. Every write
-- may be repeated. How far the log was read stands in `meta`. Sends are kept by triggers.

CREATE TABLE chats (
    uid       INTEGER NOT NULL REFERENCES sessions (uid) ON DELETE CASCADE,
    chat      TEXT NOT NULL,
    name      TEXT,
    kind      TEXT,
    last_at   REAL NOT NULL,
    read_at   REAL,  -- what came up to then was read
    retention REAL,  -- seconds; NULL: as everything else
    PRIMARY KEY (uid, chat)
) WITHOUT ROWID;

CREATE INDEX chats_recent ON chats (uid, last_at DESC, chat DESC);
CREATE INDEX chats_retention ON chats (uid) WHERE retention IS NOT NULL;

-- `role`: `in` and `out` are messages; `edit`, `deletion` and `reaction` are about the message `message_id`.
CREATE TABLE chat_entries (
    event      INTEGER NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    message_id TEXT NOT NULL,
    uid        INTEGER NOT NULL,
    chat       TEXT NOT NULL,
    at         REAL NOT NULL,
    role       TEXT NOT NULL,
    PRIMARY KEY (event, message_id)
) WITHOUT ROWID;

CREATE INDEX chat_entries_page ON chat_entries (uid, chat, at, event, role) WHERE role IN ('in', 'out');
CREATE INDEX chat_entries_about ON chat_entries (uid, chat, message_id) WHERE role NOT IN ('in', 'out');

ALTER TABLE messages ADD COLUMN chat TEXT;  -- as the platform calls it, once that is known
ALTER TABLE messages ADD COLUMN is_entry INTEGER;  -- a message of its own; otherwise about another one, or for a moment
UPDATE messages SET chat = coalesce(json_extract(receipt, '$.chat'), recipient),
    is_entry = content NOT LIKE '{"type":"edit"%' AND content NOT LIKE '{"type":"delete"%'
        AND content NOT LIKE '{"type":"reaction"%' AND content NOT LIKE '{"type":"typing"%'
        AND content NOT LIKE '{"type":"read"%';
CREATE INDEX messages_entries ON messages (uid, chat, created_at, number) WHERE is_entry;
CREATE INDEX messages_about ON messages (uid, chat, number) WHERE NOT is_entry;
INSERT INTO chats (uid, chat, last_at)
SELECT uid, chat, max(created_at) FROM messages WHERE is_entry GROUP BY uid, chat;

CREATE TRIGGER place_message AFTER INSERT ON messages BEGIN
    UPDATE messages SET chat = coalesce(json_extract(NEW.receipt, '$.chat'), NEW.recipient),
        is_entry = NEW.content NOT LIKE '{"type":"edit"%' AND NEW.content NOT LIKE '{"type":"delete"%'
            AND NEW.content NOT LIKE '{"type":"reaction"%' AND NEW.content NOT LIKE '{"type":"typing"%'
            AND NEW.content NOT LIKE '{"type":"read"%'
    WHERE number = NEW.number;
    INSERT INTO chats (uid, chat, last_at) SELECT uid, chat, created_at FROM messages WHERE number = NEW.number AND is_entry
    ON CONFLICT (uid, chat) DO UPDATE SET last_at = max(last_at, excluded.last_at);
END;

CREATE TRIGGER move_message AFTER UPDATE OF receipt ON messages
WHEN NEW.receipt IS NOT NULL AND NEW.receipt IS NOT OLD.receipt BEGIN
    UPDATE messages SET chat = json_extract(NEW.receipt, '$.chat')
    WHERE number = NEW.number AND json_extract(NEW.receipt, '$.chat') IS NOT NULL;
    -- The chat turned out to have another name; the row under the first one goes if there is nothing else.
    DELETE FROM chats WHERE uid = NEW.uid AND chat = OLD.chat AND kind IS NULL
        AND OLD.chat <> coalesce(json_extract(NEW.receipt, '$.chat'), OLD.chat)
        AND NOT EXISTS (SELECT 1 FROM messages AS m WHERE m.uid = NEW.uid AND m.chat = OLD.chat AND m.is_entry);
    INSERT INTO chats (uid, chat, last_at) SELECT uid, chat, created_at FROM messages WHERE number = NEW.number AND is_entry
    ON CONFLICT (uid, chat) DO UPDATE SET last_at = max(last_at, excluded.last_at);
    UPDATE chats SET read_at = max(coalesce(read_at, 0), NEW.created_at)
    WHERE NEW.content LIKE '{"type":"read"%' AND uid = NEW.uid
        AND chat = coalesce(json_extract(NEW.receipt, '$.chat'), NEW.recipient);
END;
