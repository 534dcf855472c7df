-- oldest: 6
-- What a platform reports twice is listed once: the send that an echo repeats is found by its message id in every state, and
-- so is a message that the history contains as well. The next migration drops the indexes that these replace.
CREATE INDEX messages_receipt ON rookery.messages (uid, (receipt::json ->> 'message_id')) WHERE receipt IS NOT NULL;
CREATE INDEX chat_entries_message ON rookery.chat_entries (uid, chat, message_id);
