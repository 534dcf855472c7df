CREATE TABLE media (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL UNIQUE,
    uid          INTEGER REFERENCES sessions (uid) ON DELETE CASCADE,  -- NULL: of no session
    session      TEXT,
    origin       TEXT NOT NULL,
    state        TEXT NOT NULL,
    content_type TEXT NOT NULL,
    filename     TEXT,
    size         INTEGER,
    sha256       TEXT,
    place        TEXT,
    event        INTEGER,
    error        TEXT,
    attempts     INTEGER NOT NULL,
    due_at       REAL,
    created_at   REAL NOT NULL,
    expires_at   REAL NOT NULL
);

CREATE INDEX media_session ON media (uid, number);
CREATE INDEX media_named ON media (session, number);
CREATE INDEX media_due ON media (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX media_expiry ON media (expires_at);
