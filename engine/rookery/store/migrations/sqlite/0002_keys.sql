CREATE TABLE api_keys (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    digest       TEXT NOT NULL UNIQUE,  -- SHA-256 of the secret, which is nowhere
    scopes       TEXT NOT NULL,  -- comma separated
    sessions     TEXT,  -- a JSON list of ids; NULL: every session
    rate         REAL,
    expires_at   REAL,
    created_at   REAL NOT NULL,
    last_used_at REAL
) WITHOUT ROWID;

CREATE TABLE audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      REAL NOT NULL,
    key     TEXT NOT NULL,
    call    TEXT NOT NULL,
    session TEXT,
    target  TEXT,
    outcome INTEGER NOT NULL
);

CREATE INDEX audit_age ON audit (at);
