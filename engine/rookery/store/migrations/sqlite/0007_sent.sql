CREATE INDEX messages_chat ON messages (uid, recipient);

-- For receipts that come after a restart.
CREATE INDEX messages_sent ON messages (uid, json_extract(receipt, '$.message_id')) WHERE state IN ('sent', 'delivered');
