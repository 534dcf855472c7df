-- oldest: 1
-- `rookery.` is replaced by the schema that is configured. Times are seconds since the epoch, except `lease_until`, which
-- only this server's clock sets and reads. Functions carry a version: while a newer Rookery is rolled out an older one runs
-- on the same database, so a function is never changed, only followed by the next one.

CREATE TABLE rookery.meta (
    key   text PRIMARY KEY,
    value text NOT NULL
);

-- Half-filled pages: cursors and leases are rewritten all the time, and find room beside the old row.
CREATE TABLE rookery.sessions (
    uid           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,  -- never used twice
    id            text COLLATE "C" NOT NULL UNIQUE,
    platform      text NOT NULL,
    name          text NOT NULL,
    enabled       boolean NOT NULL,
    status        text NOT NULL,
    reason        text NOT NULL,
    detail        text NOT NULL,
    since         double precision NOT NULL,
    action        text NOT NULL,
    last_error    text,
    next_retry_at double precision,
    credentials   text NOT NULL,  -- encrypted
    settings      text NOT NULL,  -- encrypted: may hold a proxy's password
    metadata      text NOT NULL,  -- JSON
    cursor        text,
    commands      bigint NOT NULL,
    restarts      bigint NOT NULL,
    heeded        bigint NOT NULL,
    fence         bigint NOT NULL,
    owner         text,
    lease_until   timestamptz,
    created_at    double precision NOT NULL,
    updated_at    double precision NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE rookery.history (
    seq    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uid    bigint NOT NULL REFERENCES rookery.sessions (uid) ON DELETE CASCADE,
    status text NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    at     double precision NOT NULL
);

CREATE INDEX history_session ON rookery.history (uid, seq);

-- No reference to `sessions`: events outlive their session.
CREATE TABLE rookery.events (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uid       bigint NOT NULL,
    epoch     bigint NOT NULL,
    key       text NOT NULL,
    session   text COLLATE "C" NOT NULL,
    platform  text NOT NULL,
    type      text NOT NULL,
    time      double precision NOT NULL,
    chat      text,
    sender    text,
    body      bytea NOT NULL,  -- JSON; bytes, because JSON may escape characters that PostgreSQL refuses in its own JSON
    raw       bytea NOT NULL,  -- JSON
    stored_at double precision NOT NULL,
    UNIQUE (uid, epoch, key)
);

CREATE INDEX events_session ON rookery.events (session, id);

CREATE TABLE rookery.messages (
    number          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,  -- the order of acceptance
    id              text NOT NULL UNIQUE,
    uid             bigint NOT NULL REFERENCES rookery.sessions (uid) ON DELETE CASCADE,
    session         text NOT NULL,
    recipient       text NOT NULL,
    content         text NOT NULL,  -- JSON
    options         text NOT NULL,  -- JSON
    reply_to        text,
    state           text NOT NULL,
    idempotency_key text,
    receipt         text,  -- JSON
    error           text,
    attempts        bigint NOT NULL,
    created_at      double precision NOT NULL,
    updated_at      double precision NOT NULL,
    expires_at      double precision NOT NULL,
    watched         boolean NOT NULL DEFAULT false  -- accepted by an instance that does not send it and waits for news
);

CREATE UNIQUE INDEX messages_key ON rookery.messages (uid, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX messages_session ON rookery.messages (uid);
CREATE INDEX messages_under_way ON rookery.messages (uid, number) WHERE state IN ('queued', 'sending');
CREATE INDEX messages_expiry ON rookery.messages (expires_at) WHERE state = 'queued';
CREATE INDEX messages_final ON rookery.messages (updated_at) WHERE state NOT IN ('queued', 'sending');

CREATE TABLE rookery.webhooks (
    number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id         text NOT NULL UNIQUE,
    url        text NOT NULL,
    secret     text NOT NULL,  -- encrypted
    uid        bigint REFERENCES rookery.sessions (uid) ON DELETE CASCADE,  -- NULL: every session
    session    text,
    events     text,  -- a JSON list of types; NULL: every type
    enabled    boolean NOT NULL,
    created_at double precision NOT NULL,
    updated_at double precision NOT NULL
);

CREATE INDEX webhooks_session ON rookery.webhooks (uid);

CREATE TABLE rookery.deliveries (
    event    bigint NOT NULL,
    webhook  bigint NOT NULL REFERENCES rookery.webhooks (number) ON DELETE CASCADE,
    lane     text COLLATE "C" NOT NULL,
    attempts bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (event, webhook)
);

-- Not (webhook, lane, event): without fresh statistics the planner takes such an index for single deliveries too and reads
-- everything that waits for the webhook.
CREATE INDEX deliveries_lane ON rookery.deliveries (lane, webhook, event);

-- One row for each lane with pending deliveries. A lane with 100,000 of them costs a reader of the others one row.
-- Whoever changes a lane's deliveries holds its row locked until the end of the transaction; rows are locked in the order
-- of (webhook, lane). Without that, one transaction could remove the lane of a delivery that another is adding.
CREATE TABLE rookery.lanes (
    webhook  bigint NOT NULL REFERENCES rookery.webhooks (number) ON DELETE CASCADE,
    lane     text COLLATE "C" NOT NULL,
    head     bigint NOT NULL,  -- the lane's first event
    retry_at double precision, -- set: parked until then
    PRIMARY KEY (webhook, lane)
);

CREATE INDEX lanes_ready ON rookery.lanes (webhook, head) WHERE retry_at IS NULL;
CREATE INDEX lanes_parked ON rookery.lanes (webhook, retry_at) WHERE retry_at IS NOT NULL;

CREATE TABLE rookery.dead_letters (
    event    bigint NOT NULL,
    webhook  bigint NOT NULL REFERENCES rookery.webhooks (number) ON DELETE CASCADE,
    lane     text COLLATE "C" NOT NULL,
    attempts bigint NOT NULL,
    error    text NOT NULL,
    at       double precision NOT NULL,
    PRIMARY KEY (webhook, event)
);

CREATE INDEX dead_letters_event ON rookery.dead_letters (event);
CREATE INDEX dead_letters_age ON rookery.dead_letters (at);

-- What one instance does for all of them, until its time runs out by this server's clock.
CREATE TABLE rookery.duties (
    name  text PRIMARY KEY,
    owner text NOT NULL,
    until timestamptz NOT NULL
);
