-- Which ids hold events of which session and type, for pages of the log by session or type: one row for events that were stored
-- together, where two indexes had an entry for each event. All events from `first` to `last` are of this session and type, some
-- ids there may be unused, and a run spans at most 256 ids. Every event lies in one run, and every run holds an event.
CREATE TABLE event_runs (
    session TEXT    NOT NULL,
    type    TEXT    NOT NULL,
    last    INTEGER NOT NULL,
    first   INTEGER NOT NULL,
    PRIMARY KEY (session, type, last)
) WITHOUT ROWID;

-- Runs that follow each other without a gap, as the index of session and type lists them.
INSERT INTO event_runs (session, type, first, last)
SELECT session, type, min(id), max(id) FROM (
    SELECT session, type, id, id - row_number() OVER (PARTITION BY session, type ORDER BY id) AS run FROM events)
GROUP BY session, type, run, id / 256 ORDER BY session, type, max(id);

CREATE UNIQUE INDEX event_runs_type ON event_runs (type, last, first);

DROP INDEX events_session_type;
DROP INDEX events_type;

CREATE TRIGGER forget_run AFTER DELETE ON events BEGIN
    DELETE FROM event_runs
    WHERE session = OLD.session AND type = OLD.type
      AND last = (SELECT min(last) FROM event_runs WHERE session = OLD.session AND type = OLD.type AND last >= OLD.id)
      AND NOT EXISTS (SELECT 1 FROM events WHERE id BETWEEN event_runs.first AND event_runs.last);
END;
