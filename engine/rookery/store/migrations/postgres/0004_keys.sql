-- oldest: 1
CREATE TABLE rookery.api_keys (
    id           text COLLATE "C" PRIMARY KEY,
    name         text NOT NULL,
    digest       text NOT NULL UNIQUE,  -- SHA-256 of the secret, which is nowhere
    scopes       text NOT NULL,  -- comma separated
    sessions     text,  -- a JSON list of ids; NULL: every session
    rate         double precision,
    expires_at   double precision,
    created_at   double precision NOT NULL,
    last_used_at double precision
);

CREATE TABLE rookery.audit (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      double precision NOT NULL,
    key     text NOT NULL,
    call    text NOT NULL,
    session text,
    target  text,
    outcome integer NOT NULL
);

CREATE INDEX audit_age ON rookery.audit (at);
