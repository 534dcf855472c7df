-- oldest: 6
-- A page of the log by type reads the rows of that type alone.
CREATE INDEX events_session_type ON rookery.events (session, type, id);
CREATE INDEX events_type ON rookery.events (type, id);
