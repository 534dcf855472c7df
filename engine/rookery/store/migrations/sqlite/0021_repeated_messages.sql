-- What a platform reports twice is listed once: the send that an echo repeats is found by its message id in every state, and
-- so is a message that the history contains as well.
CREATE INDEX messages_receipt ON messages (uid, json_extract(receipt, '$.message_id')) WHERE receipt IS NOT NULL;
DROP INDEX messages_sent;
CREATE INDEX chat_entries_message ON chat_entries (uid, chat, message_id);
DROP INDEX chat_entries_about;
