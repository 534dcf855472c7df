-- The last attempts to deliver to each webhook, and how long its recent ones took. What is erased from the log goes from here.
CREATE TABLE attempts (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook   INTEGER NOT NULL REFERENCES webhooks (number) ON DELETE CASCADE,
    event     INTEGER NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    attempt   INTEGER NOT NULL,  -- counted from 1
    at        REAL NOT NULL,  -- when it began
    seconds   REAL NOT NULL,
    delivered INTEGER NOT NULL,
    status    INTEGER,  -- NULL: nothing was answered
    error     TEXT,
    answer    TEXT NOT NULL  -- the beginning of it
);

CREATE INDEX attempts_webhook ON attempts (webhook, number);
CREATE INDEX attempts_event ON attempts (event);

ALTER TABLE webhooks ADD COLUMN latency_p50 REAL;  -- seconds
ALTER TABLE webhooks ADD COLUMN latency_p99 REAL;
