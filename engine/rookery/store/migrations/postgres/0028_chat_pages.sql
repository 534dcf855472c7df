-- oldest: 6
-- The events of each chat, for pages of the log by chat. An index did this before, and every received event paid for it. This
-- table is filled behind the log: it is complete up to `chats_position` in `meta`. Whoever moves the position fills the table
-- up to there in the same transaction. A trigger does so, because older programs move the position too. It goes from the old
-- position to the new one, so no event is left out or added twice, whoever moves it. The next migrations list the older events
-- and drop the index: each is a transaction of its own, so that none holds receiving up while another works.
CREATE TABLE rookery.event_chats (
    chat    text COLLATE "C" NOT NULL,
    session text COLLATE "C" NOT NULL,
    type    text COLLATE "C" NOT NULL,
    event   bigint NOT NULL,
    PRIMARY KEY (chat, session, type, event)
);

-- Lock 3 keeps events from being deleted while they are added here. Writers that add hold it exclusively, and take it before
-- they lock rows; those that delete share it.
CREATE FUNCTION rookery.list_events_1() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    listed bigint := 0;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        listed := OLD.value::bigint;
    END IF;
    PERFORM pg_advisory_xact_lock({lock}, 3);
    INSERT INTO rookery.event_chats (chat, session, type, event)
    SELECT chat, session, type, id FROM rookery.events
    WHERE id > listed AND id <= NEW.value::bigint AND chat IS NOT NULL
    ORDER BY chat COLLATE "C", session COLLATE "C", type COLLATE "C", id;
    RETURN NULL;
END $$;

CREATE FUNCTION rookery.before_deletion_1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared({lock}, 3);
    RETURN NULL;
END $$;

CREATE FUNCTION rookery.unlist_events_1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM rookery.event_chats AS c USING gone AS g
    WHERE c.chat = g.chat COLLATE "C" AND c.session = g.session COLLATE "C" AND c.type = g.type COLLATE "C"
      AND c.event = g.id;
    RETURN NULL;
END $$;

LOCK TABLE rookery.events, rookery.meta IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO rookery.meta (key, value)
SELECT 'chats_unlisted', coalesce((SELECT value FROM rookery.meta WHERE key = 'chats_position'), '0');
CREATE TRIGGER list_events AFTER INSERT OR UPDATE ON rookery.meta
    FOR EACH ROW WHEN (NEW.key = 'chats_position') EXECUTE FUNCTION rookery.list_events_1();
CREATE TRIGGER before_deletion BEFORE DELETE ON rookery.events
    FOR EACH STATEMENT EXECUTE FUNCTION rookery.before_deletion_1();
CREATE TRIGGER unlist_events AFTER DELETE ON rookery.events REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION rookery.unlist_events_1();
