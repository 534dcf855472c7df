ALTER TABLE webhooks ADD COLUMN last_status INTEGER;  -- of the last attempt; NULL: nothing was answered
ALTER TABLE webhooks ADD COLUMN delivered INTEGER NOT NULL DEFAULT 0;
ALTER TABLE webhooks ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE webhooks ADD COLUMN rate REAL NOT NULL DEFAULT 0;  -- deliveries a second, when it was noted
ALTER TABLE webhooks ADD COLUMN noted_at REAL;
