-- oldest: 6
-- The last attempts to deliver to each webhook, and how long its recent ones took. What is erased from the log goes from here.
CREATE TABLE rookery.attempts (
    number    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook   bigint NOT NULL REFERENCES rookery.webhooks (number) ON DELETE CASCADE,
    event     bigint NOT NULL REFERENCES rookery.events (id) ON DELETE CASCADE,
    attempt   integer NOT NULL,  -- counted from 1
    at        double precision NOT NULL,  -- when it began
    seconds   double precision NOT NULL,
    delivered boolean NOT NULL,
    status    integer,  -- NULL: nothing was answered
    error     text,
    answer    text NOT NULL  -- the beginning of it
);

CREATE INDEX attempts_webhook ON rookery.attempts (webhook, number);
CREATE INDEX attempts_event ON rookery.attempts (event);

ALTER TABLE rookery.webhooks
    ADD COLUMN latency_p50 double precision,  -- seconds
    ADD COLUMN latency_p99 double precision;
