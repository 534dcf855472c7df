-- oldest: 6
-- What became of the commands that a sink reads.
ALTER TABLE rookery.webhooks
    ADD COLUMN commands_accepted bigint NOT NULL DEFAULT 0,
    ADD COLUMN commands_refused  bigint NOT NULL DEFAULT 0,
    ADD COLUMN command_error     text,
    ADD COLUMN command_error_at  double precision;
