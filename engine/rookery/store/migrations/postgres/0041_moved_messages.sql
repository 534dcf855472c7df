-- A receipt that names another chat than the message was placed in touches both, and a read receipt touches its chat. Done one
-- by one, in the order of the outcomes, this made transactions wait for each other in circles.
SET LOCAL lock_timeout = '2s';

-- Locks the rows of the chats that `record_sends_4` will touch for these outcomes, sorted by name, as everyone who writes several
-- chats does. The messages are locked before, so that the same ones are chosen then.
CREATE FUNCTION rookery.lock_chats_1(lease_uid bigint, ids text[], states text[], receipts text[], ranks jsonb)
RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
BEGIN
    WITH moved AS (
        SELECT m.chat COLLATE "C" AS chat, coalesce(n.receipt::json ->> 'chat', m.recipient) COLLATE "C" AS target,
               m.is_entry, m.created_at
        FROM unnest(ids, states, receipts) AS n (id, state, receipt) JOIN rookery.messages AS m ON m.id = n.id
        WHERE m.uid + 0 = lease_uid AND n.receipt IS DISTINCT FROM m.receipt AND n.receipt IS NOT NULL
          AND (coalesce(n.receipt::json ->> 'chat', m.recipient) IS DISTINCT FROM m.chat OR left(m.content, 14) = '{"type":"read"')
          AND ((ranks -> m.state)::integer = 0 OR (ranks -> n.state)::integer >= (ranks -> m.state)::integer)
        ORDER BY m.id FOR NO KEY UPDATE OF m
    ), touched AS (
        SELECT chat, is_entry, created_at FROM moved WHERE chat IS NOT NULL
        UNION ALL
        SELECT target, is_entry, created_at FROM moved
    )
    -- Only a message of its own makes a chat. A row that exists is locked and left as it is.
    INSERT INTO rookery.chats AS c (uid, chat, last_at)
    SELECT lease_uid, t.chat, max(t.created_at) FROM touched AS t
    WHERE t.is_entry OR EXISTS (SELECT 1 FROM rookery.chats AS k WHERE k.uid = lease_uid AND k.chat = t.chat)
    GROUP BY t.chat ORDER BY t.chat
    ON CONFLICT (uid, chat) DO UPDATE SET last_at = c.last_at WHERE false;
END $$;

-- As `record_sends_4`, in one order with all other writers of chats.
CREATE FUNCTION rookery.record_sends_5(
    lease_uid bigint, lease_owner text, lease_fence bigint, ids text[], states text[], ats double precision[],
    receipts text[], errors text[], ranks jsonb, always boolean
) RETURNS text[] LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(array_remove(receipts, NULL)) > 0 THEN
        -- First, as in `record_sends_4`: whoever deletes the session holds it and waits for its chats.
        PERFORM 1 FROM rookery.sessions
        WHERE uid = lease_uid AND owner = lease_owner AND fence = lease_fence FOR SHARE;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
        PERFORM rookery.lock_chats_1(lease_uid, ids, states, receipts, ranks);
    END IF;
    RETURN rookery.record_sends_4(
        lease_uid, lease_owner, lease_fence, ids, states, ats, receipts, errors, ranks, always);
END $$;
