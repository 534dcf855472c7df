-- oldest: 1
-- An older Rookery on the same database delivers every chat and signs with the new secret only, until it is gone.
ALTER TABLE rookery.webhooks
    ADD COLUMN chats           text,  -- a JSON list; NULL: every chat
    ADD COLUMN private         text NOT NULL DEFAULT '',  -- encrypted JSON: headers, the secret before
    ADD COLUMN timeout         double precision,
    ADD COLUMN last_success_at double precision,
    ADD COLUMN last_error      text,
    ADD COLUMN last_error_at   double precision;

-- As `append_1`, and keeps to the chats of a webhook. Appends for several sessions at once, each at most once; one number for each of them: the events that were new, or -1
-- when the lease is stale. `lease_of` says by position (from 1) which lease an event belongs to.
CREATE FUNCTION rookery.append_2(
    uids bigint[], owners text[], fences bigint[], cursors text[],
    lease_of integer[], epochs bigint[], keys text[], types text[], times double precision[], chats text[], senders text[],
    bodies bytea[], raws bytea[]
) RETURNS integer[] LANGUAGE plpgsql AS $$
DECLARE
    held integer[];
    results integer[];
BEGIN
    SELECT array_agg(n) INTO held FROM (
        SELECT l.n::integer AS n
        FROM unnest(uids, owners, fences) WITH ORDINALITY AS l (uid, owner, fence, n)
        JOIN rookery.sessions AS s ON s.uid = l.uid AND s.owner = l.owner AND s.fence = l.fence
        ORDER BY s.uid FOR NO KEY UPDATE OF s
    ) AS locked;
    held := coalesce(held, '{}');

    UPDATE rookery.sessions AS s SET cursor = l.cursor
    FROM unnest(uids, cursors) WITH ORDINALITY AS l (uid, cursor, n)
    WHERE s.uid = l.uid AND l.n = ANY (held) AND l.cursor IS NOT NULL;

    SELECT array_agg(CASE WHEN n = ANY (held) THEN 0 ELSE -1 END ORDER BY n) INTO results
    FROM generate_series(1, cardinality(uids)) AS n;
    IF cardinality(keys) = 0 OR cardinality(held) = 0 THEN
        RETURN results;
    END IF;

    -- From here to the commit one transaction at a time: ids become visible in the order in which they are given out, so a
    -- reader never finds a new event below one that it has seen. Each instance writes one group at a time, so the lock is
    -- rarely waited for: three instances store as many events with it as without.
    PERFORM pg_advisory_xact_lock({lock}, 1);
    WITH stored AS (
        INSERT INTO rookery.events
            (uid, epoch, key, session, platform, type, time, chat, sender, body, raw, stored_at)
        SELECT s.uid, e.epoch, e.key, s.id, s.platform, e.type, e.time, e.chat, e.sender, e.body, e.raw,
               extract(epoch FROM clock_timestamp())
        FROM unnest(lease_of, epochs, keys, types, times, chats, senders, bodies, raws) WITH ORDINALITY
             AS e (lease, epoch, key, type, time, chat, sender, body, raw, n)
        JOIN rookery.sessions AS s ON s.uid = uids[e.lease]
        WHERE e.lease = ANY (held)
        ORDER BY e.n
        ON CONFLICT (uid, epoch, key) DO NOTHING
        RETURNING id, uid, session, chat, type
    ), addressed AS (
        INSERT INTO rookery.deliveries (event, webhook, lane)
        SELECT e.id, w.number, e.session || '/' || coalesce(e.chat, '')
        FROM stored AS e
        JOIN rookery.webhooks AS w ON w.enabled AND (w.uid IS NULL OR w.uid = e.uid)
             AND (w.events IS NULL OR w.events::jsonb ? e.type)
             AND (w.chats IS NULL OR w.chats::jsonb ? e.chat)
        RETURNING event, webhook, lane
    ), opened AS (
        -- A lane that exists is locked and left as it is.
        INSERT INTO rookery.lanes AS l (webhook, lane, head)
        SELECT webhook, lane, min(event) FROM addressed GROUP BY webhook, lane ORDER BY webhook, lane
        ON CONFLICT (webhook, lane) DO UPDATE SET head = l.head WHERE false
    )
    SELECT array_agg(CASE WHEN n = ANY (held) THEN coalesce(count, 0) ELSE -1 END ORDER BY n) INTO results
    FROM generate_series(1, cardinality(uids)) AS n
    LEFT JOIN (SELECT uid, count(*)::integer AS count FROM stored GROUP BY uid) AS c ON c.uid = uids[n];

    IF (SELECT bool_or(result > 0) FROM unnest(results) AS result) THEN
        PERFORM rookery.notify_1('events', '');
    END IF;
    RETURN results;
END $$;
