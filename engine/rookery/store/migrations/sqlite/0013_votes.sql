-- A vote is about another message, so it is not a message of its chat.
DROP TRIGGER place_message;
CREATE TRIGGER place_message AFTER INSERT ON messages BEGIN
    UPDATE messages SET chat = coalesce(json_extract(NEW.receipt, '$.chat'), NEW.recipient),
        is_entry = NEW.content NOT LIKE '{"type":"edit"%' AND NEW.content NOT LIKE '{"type":"delete"%'
            AND NEW.content NOT LIKE '{"type":"reaction"%' AND NEW.content NOT LIKE '{"type":"typing"%'
            AND NEW.content NOT LIKE '{"type":"read"%'
            AND NEW.content NOT LIKE '{"type":"vote"%'
    WHERE number = NEW.number;
    INSERT INTO chats (uid, chat, last_at) SELECT uid, chat, created_at FROM messages WHERE number = NEW.number AND is_entry
    ON CONFLICT (uid, chat) DO UPDATE SET last_at = max(last_at, excluded.last_at);
END;
