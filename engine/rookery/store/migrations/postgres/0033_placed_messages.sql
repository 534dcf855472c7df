-- oldest: 6
-- A message is placed in its chat by the statement that stores it, and the chats of one statement are written in one go, sorted
-- by name. Written one by one, in the order of the messages, they made transactions wait for each other in circles. A receipt
-- that names the chat that the message has already changes nothing else.
SET LOCAL lock_timeout = '2s';
DROP TRIGGER place_message ON rookery.messages;

CREATE FUNCTION rookery.place_message_2() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.chat := coalesce(NEW.receipt::json ->> 'chat', NEW.recipient);
    NEW.is_entry := left(NEW.content, 16) !~ '^\{"type":"(edit|delete|react|typing|read|vote)';
    RETURN NEW;
END $$;
-- Only for programs that do not know this migration.
CREATE TRIGGER place_message BEFORE INSERT ON rookery.messages
    FOR EACH ROW WHEN (NEW.chat IS NULL) EXECUTE FUNCTION rookery.place_message_2();

CREATE FUNCTION rookery.touch_chats_1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO rookery.chats AS c (uid, chat, last_at)
    SELECT uid, chat, max(created_at) FROM stored WHERE is_entry GROUP BY uid, chat ORDER BY uid, chat
    ON CONFLICT (uid, chat) DO UPDATE SET last_at = excluded.last_at WHERE c.last_at < excluded.last_at;
    RETURN NULL;
END $$;
CREATE TRIGGER touch_chats AFTER INSERT ON rookery.messages REFERENCING NEW TABLE AS stored
    FOR EACH STATEMENT EXECUTE FUNCTION rookery.touch_chats_1();

-- `place_message_1` does the rest when a receipt names another chat, and when a chat was read.
CREATE TRIGGER move_message BEFORE UPDATE OF receipt ON rookery.messages
    FOR EACH ROW WHEN (
        NEW.receipt IS DISTINCT FROM OLD.receipt
        AND (coalesce(NEW.receipt::json ->> 'chat', NEW.recipient) IS DISTINCT FROM OLD.chat
             OR left(NEW.content, 14) = '{"type":"read"'))
    EXECUTE FUNCTION rookery.place_message_1();

-- Without webhooks there is nothing to look for.
CREATE OR REPLACE FUNCTION rookery.address_1(ids bigint[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    count bigint;
BEGIN
    IF NOT EXISTS (SELECT 1 FROM rookery.webhooks AS w WHERE w.enabled) THEN
        RETURN 0;
    END IF;
    WITH stored AS (
        SELECT id, uid, session, chat, rookery.names_1(type) AS names FROM rookery.events WHERE id = ANY (ids)
    ), addressed AS (
        INSERT INTO rookery.deliveries (event, webhook, lane)
        SELECT e.id, w.number, e.session || '/' || coalesce(e.chat, '')
        FROM stored AS e
        JOIN rookery.webhooks AS w ON w.enabled AND (w.uid IS NULL OR w.uid = e.uid)
             AND coalesce(w.events::jsonb ?| e.names, '*' = ANY (e.names))
             AND (w.chats IS NULL OR w.chats::jsonb ? e.chat)
        RETURNING event, webhook, lane
    ), opened AS (
        -- A lane that exists is locked and left as it is.
        INSERT INTO rookery.lanes AS l (webhook, lane, head)
        SELECT webhook, lane, min(event) FROM addressed GROUP BY webhook, lane ORDER BY webhook, lane
        ON CONFLICT (webhook, lane) DO UPDATE SET head = l.head WHERE false
    )
    SELECT count(*) INTO count FROM addressed;
    RETURN count;
END $$;

-- As `record_sends_3`, in one statement for all messages unless one is named twice; then their order matters. Whatever is read
-- of a message is found by its id: the sum hides from the planner, which may know nothing of the tables' sizes, that all messages
-- of a session can be found as well.
CREATE FUNCTION rookery.record_sends_4(
    lease_uid bigint, lease_owner text, lease_fence bigint, ids text[], states text[], ats double precision[],
    receipts text[], errors text[], ranks jsonb, always boolean
) RETURNS text[] LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    holder record;
    moved text[];
    watched_ids text[];
    ended text[];
    keys text[];
    times double precision[];
    chats text[];
    bodies text[];
    told bigint[];
BEGIN
    IF cardinality(ids) > (SELECT count(DISTINCT id) FROM unnest(ids) AS given (id)) THEN
        RETURN rookery.record_sends_3(
            lease_uid, lease_owner, lease_fence, ids, states, ats, receipts, errors, ranks, always);
    END IF;
    -- Not FOR KEY SHARE: the lease must not be taken between this look and the commit.
    SELECT id, platform INTO holder FROM rookery.sessions
    WHERE uid = lease_uid AND owner = lease_owner AND fence = lease_fence FOR SHARE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    WITH changed AS (
        UPDATE rookery.messages AS m SET state = n.state, updated_at = n.at, error = n.error,
            receipt = coalesce(n.receipt, m.receipt), attempts = m.attempts + (n.state = 'sending')::integer
        FROM unnest(ids, states, ats, receipts, errors) WITH ORDINALITY AS n (id, state, at, receipt, error, place)
        WHERE m.id = n.id AND m.uid + 0 = lease_uid
          AND ((ranks -> m.state)::integer = 0 OR (ranks -> n.state)::integer >= (ranks -> m.state)::integer)
        RETURNING n.place, m.id, m.state, m.updated_at, m.error, m.receipt, m.recipient, m.watched,
                  (ranks -> n.state)::integer > 0 AS has_ended
    )
    SELECT array_agg(c.id), array_agg(c.id) FILTER (WHERE c.has_ended AND c.watched), array_agg(c.id) FILTER (WHERE c.has_ended),
           array_agg(c.id || ':' || c.state) FILTER (WHERE c.has_ended),
           array_agg(c.updated_at) FILTER (WHERE c.has_ended),
           array_agg(coalesce(c.receipt::json ->> 'chat', c.recipient)) FILTER (WHERE c.has_ended),
           array_agg(json_build_object(
               'id', c.id, 'state', c.state, 'error', c.error,
               'message_id', c.receipt::json ->> 'message_id')::text) FILTER (WHERE c.has_ended)
    INTO moved, watched_ids, ended, keys, times, chats, bodies
    FROM (SELECT * FROM changed ORDER BY place) AS c;
    IF watched_ids IS NOT NULL THEN
        PERFORM rookery.notify_1('message', w.id) FROM unnest(watched_ids) AS w (id);
    END IF;
    IF ended IS NOT NULL AND (always OR EXISTS (
        SELECT 1 FROM rookery.webhooks AS w
        WHERE w.enabled AND w.events::jsonb ?| rookery.names_1('message.status'))) THEN
        PERFORM pg_advisory_xact_lock({lock}, 1);  -- see `append_3`
        WITH stored AS (
            INSERT INTO rookery.events
                (uid, epoch, key, session, platform, type, time, chat, sender, body, raw, stored_at)
            SELECT lease_uid, -1, n.key, holder.id, holder.platform, 'message.status', n.at, n.chat, NULL,
                   convert_to(n.body, 'UTF8'), convert_to('null', 'UTF8'), extract(epoch FROM clock_timestamp())
            FROM unnest(keys, times, chats, bodies) WITH ORDINALITY AS n (key, at, chat, body, place) ORDER BY n.place
            ON CONFLICT (uid, epoch, key) DO NOTHING
            RETURNING id
        )
        SELECT array_agg(id) INTO told FROM stored;
        IF rookery.address_1(told) > 0 THEN  -- without a webhook no reader is in a hurry
            PERFORM rookery.notify_1('events', '');
        END IF;
    END IF;
    IF cardinality(moved) = cardinality(ids) THEN
        RETURN '{}';
    END IF;
    RETURN ARRAY(SELECT g.id FROM unnest(ids) AS g (id) WHERE g.id <> ALL (coalesce(moved, '{}')));
END $$;
