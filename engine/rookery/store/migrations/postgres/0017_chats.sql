-- oldest: 6
-- Chats are a view of the log and of the sends. Tasks of the engine fill `chat_entries` and `chats` from the log, a little
-- behind it, so that receiving pays nothing; whoever asks for a chat lets what is missing of it be added first. Every write
-- may be repeated. How far the log was read stands in `meta`. Sends are kept by a trigger.

CREATE TABLE rookery.chats (
    uid       bigint NOT NULL REFERENCES rookery.sessions (uid) ON DELETE CASCADE,
    chat      text COLLATE "C" NOT NULL,
    name      text,
    kind      text,
    last_at   double precision NOT NULL,
    read_at   double precision,  -- what came up to then was read
    retention double precision,  -- seconds; NULL: as everything else
    PRIMARY KEY (uid, chat)
) WITH (fillfactor = 50);

CREATE INDEX chats_recent ON rookery.chats (uid, last_at DESC, chat DESC);
CREATE INDEX chats_retention ON rookery.chats (uid) WHERE retention IS NOT NULL;

-- `role`: `in` and `out` are messages; `edit`, `deletion` and `reaction` are about the message `message_id`.
CREATE TABLE rookery.chat_entries (
    event      bigint NOT NULL REFERENCES rookery.events (id) ON DELETE CASCADE,
    message_id text COLLATE "C" NOT NULL,
    uid        bigint NOT NULL,
    chat       text COLLATE "C" NOT NULL,
    at         double precision NOT NULL,
    role       text NOT NULL,
    PRIMARY KEY (event, message_id)
);

CREATE INDEX chat_entries_page ON rookery.chat_entries (uid, chat, at, event) WHERE role IN ('in', 'out');
CREATE INDEX chat_entries_about ON rookery.chat_entries (uid, chat, message_id) WHERE role NOT IN ('in', 'out');

ALTER TABLE rookery.messages
    ADD COLUMN chat     text COLLATE "C",  -- as the platform calls it, once that is known
    ADD COLUMN is_entry boolean;  -- a message of its own; otherwise about another one, or only for a moment
UPDATE rookery.messages SET chat = coalesce(receipt::json ->> 'chat', recipient),
    is_entry = left(content, 16) !~ '^\{"type":"(edit|delete|react|typing|read)';
CREATE INDEX messages_entries ON rookery.messages (uid, chat, created_at, number) WHERE is_entry;
CREATE INDEX messages_about ON rookery.messages (uid, chat, number) WHERE NOT is_entry;
INSERT INTO rookery.chats (uid, chat, last_at)
SELECT uid, chat, max(created_at) FROM rookery.messages WHERE is_entry GROUP BY uid, chat;

CREATE FUNCTION rookery.place_message_1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.chat IS NOT NULL AND NEW.receipt IS NOT DISTINCT FROM OLD.receipt THEN
        RETURN NEW;
    END IF;
    NEW.chat := coalesce(NEW.receipt::json ->> 'chat', NEW.recipient);
    NEW.is_entry := left(NEW.content, 16) !~ '^\{"type":"(edit|delete|react|typing|read)';
    IF TG_OP = 'UPDATE' AND NEW.chat IS DISTINCT FROM OLD.chat THEN
        -- The chat turned out to have another name; the row under the first one goes if there is nothing else.
        DELETE FROM rookery.chats AS c WHERE c.uid = NEW.uid AND c.chat = OLD.chat AND c.kind IS NULL
            AND NOT EXISTS (SELECT 1 FROM rookery.messages AS m
                            WHERE m.uid = NEW.uid AND m.chat = OLD.chat AND m.is_entry AND m.number <> NEW.number);
    END IF;
    IF NEW.is_entry THEN
        INSERT INTO rookery.chats AS c (uid, chat, last_at) VALUES (NEW.uid, NEW.chat, NEW.created_at)
        ON CONFLICT (uid, chat) DO UPDATE SET last_at = excluded.last_at WHERE c.last_at < excluded.last_at;
    ELSIF NEW.content LIKE '{"type":"read"%' AND NEW.receipt IS NOT NULL THEN
        UPDATE rookery.chats SET read_at = greatest(read_at, NEW.created_at) WHERE uid = NEW.uid AND chat = NEW.chat;
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER place_message BEFORE INSERT OR UPDATE OF receipt ON rookery.messages
    FOR EACH ROW EXECUTE FUNCTION rookery.place_message_1();
