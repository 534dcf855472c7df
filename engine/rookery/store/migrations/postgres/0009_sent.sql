-- oldest: 6
CREATE INDEX messages_chat ON rookery.messages (uid, recipient, number);

-- For receipts that come after a restart.
CREATE INDEX messages_sent ON rookery.messages (uid, (receipt::json ->> 'message_id'))
WHERE state IN ('sent', 'delivered');
