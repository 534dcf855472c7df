-- What became of the commands that a sink reads.
ALTER TABLE webhooks ADD COLUMN commands_accepted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE webhooks ADD COLUMN commands_refused INTEGER NOT NULL DEFAULT 0;
ALTER TABLE webhooks ADD COLUMN command_error TEXT;
ALTER TABLE webhooks ADD COLUMN command_error_at REAL;
