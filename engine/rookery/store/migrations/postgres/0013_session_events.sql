-- oldest: 6
-- What happens to sessions is in the log, and webhooks may ask for types by pattern. An older Rookery on the same database
-- tells nothing of sessions and takes patterns for types that do not exist.

-- Every name under which a webhook may ask for events of this type: itself, `a.b.*` and `a.*` for `a.b`, and `*` unless it is
-- a type that has to be named. The same as `names_of` in rookery.model.subscription.
CREATE FUNCTION rookery.names_1(type text) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg(name) FROM (
        SELECT type AS name
        UNION ALL
        SELECT array_to_string((string_to_array(type, '.'))[1:n], '.') || '.*'
        FROM generate_series(1, cardinality(string_to_array(type, '.'))) AS n
        UNION ALL
        SELECT '*' WHERE type NOT IN ('message.status', 'session.qr', 'session.pairing_code')
    ) AS names
$$;

-- Deliveries of stored events to the webhooks that ask for them; how many. The caller holds the log's lock.
CREATE FUNCTION rookery.address_1(ids bigint[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    count bigint;
BEGIN
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

-- As `append_2`, and webhooks may ask for types by pattern.
CREATE FUNCTION rookery.append_3(
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
    ), kinds AS (
        SELECT type, rookery.names_1(type) AS names FROM stored GROUP BY type
    ), addressed AS (
        INSERT INTO rookery.deliveries (event, webhook, lane)
        SELECT e.id, w.number, e.session || '/' || coalesce(e.chat, '')
        FROM rookery.webhooks AS w
        JOIN kinds AS k ON coalesce(w.events::jsonb ?| k.names, '*' = ANY (k.names))
        JOIN stored AS e ON e.type = k.type AND (w.uid IS NULL OR w.uid = e.uid)
             AND (w.chats IS NULL OR w.chats::jsonb ? e.chat)
        WHERE w.enabled
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

-- As `record_statuses_1`, and each change and each code becomes an event. `numbers` count the writes under a lease: what was
-- written before is told once. `codes` are bodies of events of the types `code_types`, NULL for none.
CREATE FUNCTION rookery.record_statuses_2(
    uids bigint[], owners text[], fences bigint[], statuses text[], reasons text[], details text[],
    sinces double precision[], actions text[], last_errors text[], retries double precision[], heededs bigint[],
    numbers bigint[], code_types text[], codes bytea[], history_length integer
) RETURNS integer[] LANGUAGE plpgsql AS $$
DECLARE
    stale integer[] := '{}';
    told bigint[] := '{}';
    old record;
    changed boolean;
    number bigint;
BEGIN
    PERFORM 1 FROM rookery.sessions WHERE uid = ANY (uids) ORDER BY uid FOR NO KEY UPDATE;
    FOR n IN 1 .. cardinality(uids) LOOP
        SELECT id, platform, status, reason, enabled INTO old FROM rookery.sessions
        WHERE uid = uids[n] AND owner = owners[n] AND fence = fences[n];
        IF NOT FOUND THEN
            stale := stale || n;
            CONTINUE;
        END IF;
        UPDATE rookery.sessions SET status = statuses[n], reason = reasons[n], detail = details[n], since = sinces[n],
            action = actions[n], last_error = last_errors[n], next_retry_at = retries[n], heeded = heededs[n],
            updated_at = extract(epoch FROM clock_timestamp())
        WHERE uid = uids[n];
        changed := old.status <> statuses[n] OR old.reason <> reasons[n];
        IF changed THEN
            INSERT INTO rookery.history (uid, status, reason, detail, at)
            VALUES (uids[n], statuses[n], reasons[n], details[n], sinces[n]);
            DELETE FROM rookery.history WHERE uid = uids[n] AND seq <= (
                SELECT seq FROM rookery.history WHERE uid = uids[n] ORDER BY seq DESC OFFSET history_length LIMIT 1);
        END IF;
        IF changed OR codes[n] IS NOT NULL THEN
            PERFORM pg_advisory_xact_lock({lock}, 1);  -- see `append_3`
        END IF;
        IF changed THEN
            INSERT INTO rookery.events
                (uid, epoch, key, session, platform, type, time, chat, sender, body, raw, stored_at)
            VALUES (uids[n], -2, fences[n] || '.' || numbers[n], old.id, old.platform, 'session.status', sinces[n], NULL, NULL,
                convert_to(json_build_object(
                    'status', statuses[n], 'reason', reasons[n], 'detail', details[n], 'action', actions[n],
                    'previous', old.status, 'enabled', old.enabled, 'owner', owners[n])::text, 'UTF8'),
                convert_to('null', 'UTF8'), extract(epoch FROM clock_timestamp()))
            ON CONFLICT (uid, epoch, key) DO NOTHING RETURNING id INTO number;
            IF FOUND THEN
                told := told || number;
            END IF;
        END IF;
        IF codes[n] IS NOT NULL THEN
            INSERT INTO rookery.events
                (uid, epoch, key, session, platform, type, time, chat, sender, body, raw, stored_at)
            VALUES (uids[n], -2, fences[n] || '.' || numbers[n] || '.code', old.id, old.platform, code_types[n], sinces[n],
                NULL, NULL, codes[n], convert_to('null', 'UTF8'), extract(epoch FROM clock_timestamp()))
            ON CONFLICT (uid, epoch, key) DO NOTHING RETURNING id INTO number;
            IF FOUND THEN
                told := told || number;
            END IF;
        END IF;
    END LOOP;
    IF cardinality(told) > 0 THEN
        PERFORM rookery.address_1(told);
        PERFORM rookery.notify_1('events', '');
    END IF;
    RETURN stale;
END $$;

-- As `announce_1`, for webhooks that ask by pattern too.
CREATE FUNCTION rookery.announce_2(ids text[], always boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    told bigint[];
BEGIN
    IF ids IS NULL OR cardinality(ids) = 0 OR NOT (always OR EXISTS (
        SELECT 1 FROM rookery.webhooks AS w
        WHERE w.enabled AND w.events::jsonb ?| rookery.names_1('message.status'))) THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock({lock}, 1);
    WITH stored AS (
        INSERT INTO rookery.events
            (uid, epoch, key, session, platform, type, time, chat, sender, body, raw, stored_at)
        SELECT m.uid, -1, m.id || ':' || m.state, m.session, s.platform, 'message.status', m.updated_at,
               coalesce(m.receipt::json ->> 'chat', m.recipient), NULL,
               convert_to(json_build_object(
                   'id', m.id, 'state', m.state, 'error', m.error,
                   'message_id', m.receipt::json ->> 'message_id')::text, 'UTF8'),
               convert_to('null', 'UTF8'), extract(epoch FROM clock_timestamp())
        FROM rookery.messages AS m JOIN rookery.sessions AS s ON s.uid = m.uid
        WHERE m.id = ANY (ids) ORDER BY m.number
        ON CONFLICT (uid, epoch, key) DO NOTHING
        RETURNING id
    )
    SELECT array_agg(id) INTO told FROM stored;
    -- Without a webhook nobody is in a hurry: other instances look every second, and notifications make commits wait for
    -- each other.
    IF rookery.address_1(told) > 0 THEN
        PERFORM rookery.notify_1('events', '');
    END IF;
END $$;

-- As `record_sends_2`.
CREATE FUNCTION rookery.record_sends_3(
    lease_uid bigint, lease_owner text, lease_fence bigint, ids text[], states text[], ats double precision[],
    receipts text[], errors text[], ranks jsonb, always boolean
) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    changed record;
    refused text[] := '{}';
    told text[] := '{}';
BEGIN
    -- Not FOR KEY SHARE: the lease must not be taken between this look and the commit.
    PERFORM 1 FROM rookery.sessions WHERE uid = lease_uid AND owner = lease_owner AND fence = lease_fence FOR SHARE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    FOR n IN 1 .. cardinality(ids) LOOP
        UPDATE rookery.messages SET state = states[n], updated_at = ats[n], error = errors[n],
            receipt = coalesce(receipts[n], receipt), attempts = attempts + (states[n] = 'sending')::integer
        WHERE id = ids[n] AND uid = lease_uid
          AND ((ranks -> state)::integer = 0 OR (ranks -> states[n])::integer >= (ranks -> state)::integer)
        RETURNING watched INTO changed;
        IF NOT FOUND THEN
            refused := refused || ids[n];
            CONTINUE;
        END IF;
        IF (ranks -> states[n])::integer > 0 THEN
            told := told || ids[n];
            IF changed.watched THEN
                PERFORM rookery.notify_1('message', ids[n]);
            END IF;
        END IF;
    END LOOP;
    PERFORM rookery.announce_2(told, always);
    RETURN refused;
END $$;
