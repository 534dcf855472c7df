-- oldest: 6
CREATE TABLE rookery.media (
    number       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id           text NOT NULL UNIQUE,
    uid          bigint REFERENCES rookery.sessions (uid) ON DELETE CASCADE,  -- NULL: of no session
    session      text COLLATE "C",
    origin       text NOT NULL,
    state        text NOT NULL,
    content_type text NOT NULL,
    filename     text,
    size         bigint,
    sha256       text,
    place        text,
    event        bigint,
    error        text,
    attempts     bigint NOT NULL,
    due_at       double precision,
    created_at   double precision NOT NULL,
    expires_at   double precision NOT NULL
);

CREATE INDEX media_session ON rookery.media (uid, number);
CREATE INDEX media_named ON rookery.media (session, number);
CREATE INDEX media_due ON rookery.media (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX media_expiry ON rookery.media (expires_at);
