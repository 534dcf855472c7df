-- oldest: 6
-- What the session runs, or ran last, on its platform: a bot's id.
ALTER TABLE rookery.sessions ADD COLUMN account text;

CREATE INDEX sessions_account ON rookery.sessions (platform, account) WHERE account IS NOT NULL;

-- Notes what a session runs. The id of another session that is held and runs the same: nothing was noted. '': it was. NULL:
-- the lease is lost.
CREATE FUNCTION rookery.occupy_1(session bigint, holder text, its_fence bigint, wanted text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    here  record;
    other text;
BEGIN
    SELECT s.platform, s.account INTO here FROM rookery.sessions AS s
    WHERE s.uid = session AND s.owner = holder AND s.fence = its_fence;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    -- Those who ask at the same moment are answered one after the other.
    PERFORM pg_advisory_xact_lock(hashtextextended('rookery.account ' || here.platform || ' ' || wanted, 0));
    SELECT s.id INTO other FROM rookery.sessions AS s
    WHERE s.platform = here.platform AND s.account = wanted AND s.uid <> session
      AND s.owner IS NOT NULL AND s.lease_until > clock_timestamp()
    ORDER BY s.uid LIMIT 1;
    IF FOUND THEN
        RETURN other;
    END IF;
    IF here.account IS DISTINCT FROM wanted THEN
        UPDATE rookery.sessions AS s SET account = wanted
        WHERE s.uid = session AND s.owner = holder AND s.fence = its_fence;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
    END IF;
    RETURN '';
END $$;
