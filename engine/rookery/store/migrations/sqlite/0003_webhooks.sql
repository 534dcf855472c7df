ALTER TABLE webhooks ADD COLUMN chats TEXT;  -- a JSON list; NULL: every chat
ALTER TABLE webhooks ADD COLUMN private TEXT NOT NULL DEFAULT '';  -- encrypted JSON: headers, the secret before
ALTER TABLE webhooks ADD COLUMN timeout REAL;
ALTER TABLE webhooks ADD COLUMN last_success_at REAL;
ALTER TABLE webhooks ADD COLUMN last_error TEXT;
ALTER TABLE webhooks ADD COLUMN last_error_at REAL;
