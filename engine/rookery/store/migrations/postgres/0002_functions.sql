-- oldest: 1
-- What has to happen in several steps and in one round trip. Each statement in a function sees what was committed before
-- that statement began (READ COMMITTED), so what is locked first is up to date afterwards.

-- Tells the other instances that something changed. An id that is too long for a notification is left out: they look at
-- everything then.
CREATE FUNCTION rookery.notify_1(kind text, id text) RETURNS void LANGUAGE sql AS $$
    SELECT pg_notify('{channel}', kind || ' ' || CASE WHEN octet_length(id) < 4000 THEN id ELSE '' END)
$$;

-- Writes the rows of `lanes` anew after their deliveries have changed. The caller has these lanes locked.
CREATE FUNCTION rookery.settle_1(hooks bigint[], names text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO rookery.lanes AS l (webhook, lane, head)
    SELECT hook, name, head
    FROM (SELECT DISTINCT hook, name COLLATE "C" AS name FROM unnest(hooks, names) AS t (hook, name)) AS t,
         LATERAL (SELECT min(event) AS head FROM rookery.deliveries WHERE webhook = hook AND lane = name) AS d
    WHERE head IS NOT NULL ORDER BY hook, name
    ON CONFLICT (webhook, lane) DO UPDATE SET head = excluded.head, retry_at = NULL WHERE l.head <> excluded.head;

    DELETE FROM rookery.lanes AS l USING unnest(hooks, names) AS t (hook, name)
    WHERE l.webhook = hook AND l.lane = name
      AND NOT EXISTS (SELECT 1 FROM rookery.deliveries AS d WHERE d.webhook = hook AND d.lane = name);
END $$;

-- Appends for several sessions at once, each at most once; one number for each of them: the events that were new, or -1
-- when the lease is stale. `lease_of` says by position (from 1) which lease an event belongs to.
CREATE FUNCTION rookery.append_1(
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

-- Statuses in order; returns the positions (from 1) of those whose lease is stale.
CREATE FUNCTION rookery.record_statuses_1(
    uids bigint[], owners text[], fences bigint[], statuses text[], reasons text[], details text[],
    sinces double precision[], actions text[], last_errors text[], retries double precision[], heededs bigint[],
    history_length integer
) RETURNS integer[] LANGUAGE plpgsql AS $$
DECLARE
    stale integer[] := '{}';
    old record;
BEGIN
    PERFORM 1 FROM rookery.sessions WHERE uid = ANY (uids) ORDER BY uid FOR NO KEY UPDATE;
    FOR n IN 1 .. cardinality(uids) LOOP
        SELECT status, reason INTO old FROM rookery.sessions
        WHERE uid = uids[n] AND owner = owners[n] AND fence = fences[n];
        IF NOT FOUND THEN
            stale := stale || n;
            CONTINUE;
        END IF;
        UPDATE rookery.sessions SET status = statuses[n], reason = reasons[n], detail = details[n], since = sinces[n],
            action = actions[n], last_error = last_errors[n], next_retry_at = retries[n], heeded = heededs[n],
            updated_at = extract(epoch FROM clock_timestamp())
        WHERE uid = uids[n];
        IF old.status <> statuses[n] OR old.reason <> reasons[n] THEN
            INSERT INTO rookery.history (uid, status, reason, detail, at)
            VALUES (uids[n], statuses[n], reasons[n], details[n], sinces[n]);
            DELETE FROM rookery.history WHERE uid = uids[n] AND seq <= (
                SELECT seq FROM rookery.history WHERE uid = uids[n] ORDER BY seq DESC OFFSET history_length LIMIT 1);
        END IF;
    END LOOP;
    RETURN stale;
END $$;

-- Outcomes of sends in order; false when the lease is stale. `ranks` says how good each state is: one under way has 0 and
-- never replaces a final one, and a final one gives way only to one that is as good.
CREATE FUNCTION rookery.record_sends_1(
    lease_uid bigint, lease_owner text, lease_fence bigint, ids text[], states text[], ats double precision[],
    receipts text[], errors text[], ranks jsonb
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    changed record;
BEGIN
    -- Not FOR KEY SHARE: the lease must not be taken between this look and the commit.
    PERFORM 1 FROM rookery.sessions WHERE uid = lease_uid AND owner = lease_owner AND fence = lease_fence FOR SHARE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    FOR n IN 1 .. cardinality(ids) LOOP
        UPDATE rookery.messages SET state = states[n], updated_at = ats[n], error = errors[n],
            receipt = coalesce(receipts[n], receipt), attempts = attempts + (states[n] = 'sending')::integer
        WHERE id = ids[n] AND uid = lease_uid
          AND ((ranks -> state)::integer = 0 OR (ranks -> states[n])::integer >= (ranks -> state)::integer)
        RETURNING watched INTO changed;
        IF FOUND AND changed.watched AND (ranks -> states[n])::integer > 0 THEN
            PERFORM rookery.notify_1('message', ids[n]);
        END IF;
    END LOOP;
    RETURN true;
END $$;

-- What became of attempts to deliver.
CREATE FUNCTION rookery.record_deliveries_1(
    hooks text[], ids bigint[], dones boolean[], ats double precision[], retries double precision[], errors text[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    numbers bigint[];
    names text[];
BEGIN
    PERFORM 1 FROM rookery.lanes AS l
    WHERE (l.webhook, l.lane) IN (
        SELECT d.webhook, d.lane FROM unnest(hooks, ids) AS o (hook, event)
        JOIN rookery.webhooks AS w ON w.id = o.hook
        JOIN rookery.deliveries AS d ON d.event = o.event AND d.webhook = w.number)
    ORDER BY l.webhook, l.lane FOR UPDATE;

    WITH finished AS (
        DELETE FROM rookery.deliveries AS d
        USING unnest(hooks, ids, dones, ats, retries, errors) AS o (hook, event, done, at, retry_at, error),
              rookery.webhooks AS w
        WHERE w.id = o.hook AND d.event = o.event AND d.webhook = w.number AND (o.done OR o.retry_at IS NULL)
        RETURNING d.event, d.webhook, d.lane, d.attempts, o.done, o.at, o.error
    ), dead AS (
        INSERT INTO rookery.dead_letters (event, webhook, lane, attempts, error, at)
        SELECT event, webhook, lane, attempts + 1, coalesce(error, ''), at FROM finished WHERE NOT done
        ON CONFLICT (webhook, event) DO UPDATE
            SET attempts = excluded.attempts, error = excluded.error, at = excluded.at
    )
    SELECT array_agg(webhook), array_agg(lane) INTO numbers, names FROM finished;
    IF numbers IS NOT NULL THEN
        PERFORM rookery.settle_1(numbers, names);
    END IF;

    WITH tried AS (
        UPDATE rookery.deliveries AS d SET attempts = d.attempts + 1
        FROM unnest(hooks, ids, dones, retries) AS o (hook, event, done, retry_at), rookery.webhooks AS w
        WHERE w.id = o.hook AND d.event = o.event AND d.webhook = w.number AND NOT o.done AND o.retry_at IS NOT NULL
        RETURNING d.event, d.webhook, d.lane, o.retry_at
    )
    UPDATE rookery.lanes AS l SET retry_at = tried.retry_at FROM tried
    WHERE l.webhook = tried.webhook AND l.lane = tried.lane AND l.head = tried.event;
END $$;

-- Dead letters (all, or these) become pending again; how many.
CREATE FUNCTION rookery.replay_1(hook bigint, chosen bigint[]) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    events bigint[];
    names text[];
BEGIN
    WITH taken AS (
        DELETE FROM rookery.dead_letters WHERE webhook = hook AND (chosen IS NULL OR event = ANY (chosen))
        RETURNING event, lane
    )
    SELECT array_agg(event), array_agg(lane) INTO events, names FROM taken;
    IF events IS NULL THEN
        RETURN 0;
    END IF;
    INSERT INTO rookery.lanes AS l (webhook, lane, head)
    SELECT hook, name, min(event) FROM unnest(events, names) AS t (event, name) GROUP BY name ORDER BY name COLLATE "C"
    ON CONFLICT (webhook, lane) DO UPDATE SET head = l.head WHERE false;
    INSERT INTO rookery.deliveries (event, webhook, lane)
    SELECT event, hook, name FROM unnest(events, names) AS t (event, name);
    PERFORM rookery.settle_1(array_fill(hook, ARRAY[cardinality(names)]), names);
    PERFORM rookery.notify_1('webhooks', '');
    RETURN cardinality(events);
END $$;
