-- What the store itself has to remember: the canary of the secret key, the highest event id that was ever given out.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE sessions (
    uid           INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used twice: it tells a session from its successor
    id            TEXT NOT NULL UNIQUE,
    platform      TEXT NOT NULL,
    name          TEXT NOT NULL,
    enabled       INTEGER NOT NULL,
    status        TEXT NOT NULL,
    reason        TEXT NOT NULL,
    detail        TEXT NOT NULL,
    since         REAL NOT NULL,
    action        TEXT NOT NULL,
    last_error    TEXT,
    next_retry_at REAL,
    credentials   TEXT NOT NULL,  -- encrypted
    settings      TEXT NOT NULL,  -- encrypted: may hold a proxy's password
    metadata      TEXT NOT NULL,  -- JSON
    cursor        TEXT,
    commands      INTEGER NOT NULL,
    restarts      INTEGER NOT NULL,
    heeded        INTEGER NOT NULL,
    fence         INTEGER NOT NULL,
    owner         TEXT,
    created_at    REAL NOT NULL,
    updated_at    REAL NOT NULL
);

-- What `claim` looks through; empty while everything runs.
CREATE INDEX sessions_free ON sessions (id) WHERE enabled AND owner IS NULL;

CREATE TABLE history (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    uid    INTEGER NOT NULL REFERENCES sessions (uid) ON DELETE CASCADE,
    status TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    at     REAL NOT NULL
);

CREATE INDEX history_session ON history (uid, seq);

-- No reference to `sessions`: events outlive their session. The writer gives out the ids.
CREATE TABLE events (
    id        INTEGER PRIMARY KEY,
    uid       INTEGER NOT NULL,
    epoch     INTEGER NOT NULL,
    key       TEXT NOT NULL,
    session   TEXT NOT NULL,
    platform  TEXT NOT NULL,
    type      TEXT NOT NULL,
    time      REAL NOT NULL,
    chat      TEXT,
    sender    TEXT,
    body      BLOB NOT NULL,  -- JSON
    raw       BLOB NOT NULL,  -- JSON
    stored_at REAL NOT NULL
);

CREATE UNIQUE INDEX events_key ON events (uid, epoch, key);
CREATE INDEX events_session ON events (session);

CREATE TABLE messages (
    number          INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order of acceptance
    id              TEXT NOT NULL UNIQUE,
    uid             INTEGER NOT NULL REFERENCES sessions (uid) ON DELETE CASCADE,
    session         TEXT NOT NULL,
    recipient       TEXT NOT NULL,
    content         BLOB NOT NULL,  -- JSON
    options         TEXT NOT NULL,  -- JSON
    reply_to        TEXT,
    state           TEXT NOT NULL,
    idempotency_key TEXT,
    receipt         TEXT,  -- JSON
    error           TEXT,
    attempts        INTEGER NOT NULL,
    created_at      REAL NOT NULL,
    updated_at      REAL NOT NULL,
    expires_at      REAL NOT NULL
);

CREATE UNIQUE INDEX messages_key ON messages (uid, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX messages_session ON messages (uid);
CREATE INDEX messages_under_way ON messages (uid, state, number) WHERE state IN ('queued', 'sending');
CREATE INDEX messages_expiry ON messages (expires_at) WHERE state = 'queued';
CREATE INDEX messages_final ON messages (updated_at) WHERE state NOT IN ('queued', 'sending');

CREATE TABLE webhooks (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,
    url        TEXT NOT NULL,
    secret     TEXT NOT NULL,  -- encrypted
    uid        INTEGER REFERENCES sessions (uid) ON DELETE CASCADE,  -- NULL: every session
    session    TEXT,
    events     TEXT,  -- a JSON list of types; NULL: every type
    enabled    INTEGER NOT NULL,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL
);

CREATE INDEX webhooks_session ON webhooks (uid);

CREATE TABLE deliveries (
    event    INTEGER NOT NULL,
    webhook  INTEGER NOT NULL REFERENCES webhooks (number) ON DELETE CASCADE,
    lane     TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (event, webhook)
) WITHOUT ROWID;

CREATE INDEX deliveries_lane ON deliveries (webhook, lane, event);

-- One row for each lane with pending deliveries. A lane with 100,000 of them costs a reader of the others one row.
CREATE TABLE lanes (
    webhook  INTEGER NOT NULL REFERENCES webhooks (number) ON DELETE CASCADE,
    lane     TEXT NOT NULL,
    head     INTEGER NOT NULL,  -- the lane's first event
    retry_at REAL,              -- set: parked until then
    PRIMARY KEY (webhook, lane)
) WITHOUT ROWID;

CREATE INDEX lanes_ready ON lanes (webhook, head) WHERE retry_at IS NULL;
CREATE INDEX lanes_parked ON lanes (webhook, retry_at) WHERE retry_at IS NOT NULL;

CREATE TABLE dead_letters (
    event    INTEGER NOT NULL,
    webhook  INTEGER NOT NULL REFERENCES webhooks (number) ON DELETE CASCADE,
    lane     TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    error    TEXT NOT NULL,
    at       REAL NOT NULL,
    PRIMARY KEY (webhook, event)
) WITHOUT ROWID;

CREATE INDEX dead_letters_event ON dead_letters (event);
CREATE INDEX dead_letters_age ON dead_letters (at);
