-- What happened to the messages of a chat, by age, for chats with a retention of their own.
CREATE INDEX chat_entries_changes ON rookery.chat_entries (uid, chat, at) WHERE role NOT IN ('in', 'out');
