-- oldest: 6
-- An older Rookery does not know the state `scheduled` and would prune such messages.
ALTER TABLE rookery.messages ADD COLUMN send_at double precision;  -- of scheduled ones

CREATE INDEX messages_scheduled ON rookery.messages (send_at) WHERE state = 'scheduled';
CREATE INDEX messages_list ON rookery.messages (uid, number);
DROP INDEX rookery.messages_session;

-- Writes the present states of these messages into the event log: if `always`, or if a webhook asks for them by name. The
-- caller has changed them in this transaction. Ids of events are given out under the same lock as in `append_2`.
CREATE FUNCTION rookery.announce_1(ids text[], always boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    count bigint;
BEGIN
    IF ids IS NULL OR cardinality(ids) = 0 OR NOT (always OR EXISTS (
        SELECT 1 FROM rookery.webhooks AS w WHERE w.enabled AND w.events::jsonb ? 'message.status')) THEN
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
        RETURNING id, uid, session, chat
    ), addressed AS (
        INSERT INTO rookery.deliveries (event, webhook, lane)
        SELECT e.id, w.number, e.session || '/' || coalesce(e.chat, '')
        FROM stored AS e
        JOIN rookery.webhooks AS w ON w.enabled AND (w.uid IS NULL OR w.uid = e.uid)
             AND w.events::jsonb ? 'message.status' AND (w.chats IS NULL OR w.chats::jsonb ? e.chat)
        RETURNING event, webhook, lane
    ), opened AS (
        INSERT INTO rookery.lanes AS l (webhook, lane, head)
        SELECT webhook, lane, min(event) FROM addressed GROUP BY webhook, lane ORDER BY webhook, lane
        ON CONFLICT (webhook, lane) DO UPDATE SET head = l.head WHERE false
    )
    SELECT count(*) INTO count FROM addressed;
    -- Without a webhook nobody is in a hurry: other instances look every second, and notifications make commits wait for
    -- each other.
    IF count > 0 THEN
        PERFORM rookery.notify_1('events', '');
    END IF;
END $$;

-- As `record_sends_1`; returns the ids whose state was not written, and NULL when the lease is stale.
CREATE FUNCTION rookery.record_sends_2(
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
    PERFORM rookery.announce_1(told, always);
    RETURN refused;
END $$;
