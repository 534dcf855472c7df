-- A vote is about another message, so it is not a message of its chat.
CREATE OR REPLACE FUNCTION rookery.place_message_1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.chat IS NOT NULL AND NEW.receipt IS NOT DISTINCT FROM OLD.receipt THEN
        RETURN NEW;
    END IF;
    NEW.chat := coalesce(NEW.receipt::json ->> 'chat', NEW.recipient);
    NEW.is_entry := left(NEW.content, 16) !~ '^\{"type":"(edit|delete|react|typing|read|vote)';
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
