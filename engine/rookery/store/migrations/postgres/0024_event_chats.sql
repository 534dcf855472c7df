-- oldest: 6
-- A page of the log by chat reads the events of that chat alone.
CREATE INDEX events_chat ON rookery.events (chat, session, type, id) WHERE chat IS NOT NULL;
-- Pages of the audit by session or key read those entries alone.
CREATE INDEX audit_session ON rookery.audit (session, id) WHERE session IS NOT NULL;
CREATE INDEX audit_key ON rookery.audit (key, id);
