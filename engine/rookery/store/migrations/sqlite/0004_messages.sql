ALTER TABLE messages ADD COLUMN send_at REAL;  -- of scheduled ones

CREATE INDEX messages_scheduled ON messages (send_at) WHERE state = 'scheduled';
