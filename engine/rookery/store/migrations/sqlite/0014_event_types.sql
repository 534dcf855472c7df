-- A page of the log by type reads the rows of that type alone. Ids follow in every index, so each of them is also in order.
CREATE INDEX events_session_type ON events (session, type);
CREATE INDEX events_type ON events (type);
DROP INDEX events_session;
