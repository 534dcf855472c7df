-- How many messages of a chat are unread, if they are many: `unread` received messages came after `read_at`. The store adds new
-- ones when it adds them to `chat_entries`.
CREATE TABLE chat_unread (
    uid     INTEGER NOT NULL,
    chat    TEXT NOT NULL,
    read_at REAL NOT NULL,
    unread  INTEGER NOT NULL,
    PRIMARY KEY (uid, chat),
    FOREIGN KEY (uid, chat) REFERENCES chats (uid, chat) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE TRIGGER forget_unread AFTER DELETE ON chat_entries WHEN OLD.role = 'in' BEGIN
    DELETE FROM chat_unread WHERE uid = OLD.uid AND chat = OLD.chat AND read_at < OLD.at;
END;
