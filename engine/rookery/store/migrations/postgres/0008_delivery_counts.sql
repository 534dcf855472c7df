-- oldest: 6
ALTER TABLE rookery.webhooks
    ADD COLUMN last_status integer,  -- of the last attempt; NULL: nothing was answered
    ADD COLUMN delivered   bigint NOT NULL DEFAULT 0,
    ADD COLUMN failed      bigint NOT NULL DEFAULT 0,
    ADD COLUMN rate        double precision NOT NULL DEFAULT 0,  -- deliveries a second, when it was noted
    ADD COLUMN noted_at    double precision;
