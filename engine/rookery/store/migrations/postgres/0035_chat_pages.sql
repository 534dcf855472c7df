SET LOCAL lock_timeout = '2s';
CREATE INDEX messages_chat_state ON rookery.messages (uid, recipient, state, number);
