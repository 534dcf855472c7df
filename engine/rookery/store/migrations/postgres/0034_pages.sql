-- A page of sends or files reads the rows of one state alone, however rare it is, in the order of their numbers. Storing waits while
-- an index of the same table is built, so each has a transaction of its own. What these replace is dropped in the last of these
-- migrations: an index that is built holds a lock with which a drop in the same transaction could wait in a circle with a send.
SET LOCAL lock_timeout = '2s';
CREATE INDEX messages_state ON rookery.messages (uid, state, number);

-- The number of the first of a session's sends in a state (and a chat, unless NULL) that was accepted at this time or later;
-- one above every number when there is none. Numbers and times grow together, so it is found by bisection.
CREATE FUNCTION rookery.first_send_1(uid_ bigint, state_ text, chat_ text, moment double precision) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
    low bigint;
    high bigint;
    found bigint;
    at double precision;
BEGIN
    IF chat_ IS NULL THEN
        SELECT number, created_at INTO low, at FROM rookery.messages WHERE uid = uid_ AND state = state_ ORDER BY number LIMIT 1;
    ELSE
        SELECT number, created_at INTO low, at FROM rookery.messages
        WHERE uid = uid_ AND recipient = chat_ AND state = state_ ORDER BY number LIMIT 1;
    END IF;
    IF low IS NULL OR at >= moment THEN
        RETURN 0;
    END IF;
    IF chat_ IS NULL THEN
        SELECT number, created_at INTO high, at FROM rookery.messages
        WHERE uid = uid_ AND state = state_ ORDER BY number DESC LIMIT 1;
    ELSE
        SELECT number, created_at INTO high, at FROM rookery.messages
        WHERE uid = uid_ AND recipient = chat_ AND state = state_ ORDER BY number DESC LIMIT 1;
    END IF;
    IF at < moment THEN
        RETURN high + 1;
    END IF;
    WHILE low < high LOOP
        IF chat_ IS NULL THEN
            SELECT number, created_at INTO found, at FROM rookery.messages
            WHERE uid = uid_ AND state = state_ AND number >= (low + high) / 2 ORDER BY number LIMIT 1;
        ELSE
            SELECT number, created_at INTO found, at FROM rookery.messages
            WHERE uid = uid_ AND recipient = chat_ AND state = state_ AND number >= (low + high) / 2 ORDER BY number LIMIT 1;
        END IF;
        IF at < moment AND found < high THEN
            low := found + 1;
        ELSE
            high := (low + high) / 2;
        END IF;
    END LOOP;
    RETURN low;
END $$;
