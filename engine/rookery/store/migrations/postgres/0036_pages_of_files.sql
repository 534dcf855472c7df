SET LOCAL lock_timeout = '2s';
CREATE INDEX media_kind ON rookery.media (state, origin, number);
CREATE INDEX media_session_kind ON rookery.media (session, state, origin, number);
CREATE INDEX audit_session_key ON rookery.audit (session, key, id) WHERE session IS NOT NULL;
