-- How many messages of a chat are unread, if they are many: `unread` received messages came after `read_at`. It is no column of
-- `chats`, for whose rows sends wait. Triggers keep the number, because older programs also write entries. Lock 4: whoever adds or
-- deletes entries shares it up to the commit, and whoever counts to remember the number holds it exclusively, so that the count
-- misses no entry. That one waits for nothing while it has the lock.
SET LOCAL lock_timeout = '2s';
CREATE TABLE rookery.chat_unread (
    uid     bigint NOT NULL,
    chat    text COLLATE "C" NOT NULL,
    read_at double precision NOT NULL,
    unread  integer NOT NULL,
    PRIMARY KEY (uid, chat),
    FOREIGN KEY (uid, chat) REFERENCES rookery.chats (uid, chat) ON DELETE CASCADE
) WITH (fillfactor = 50);

-- Rows are locked in the order of their keys, so that two writers do not block each other. Without fresh statistics the planner
-- would read the table from end to end.
CREATE FUNCTION rookery.count_unread_1() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared({lock}, 4);
    WITH known AS (
        SELECT u.uid, u.chat, u.read_at FROM (SELECT DISTINCT uid, chat FROM added WHERE role = 'in') AS a
        JOIN rookery.chat_unread AS u ON u.uid = a.uid AND u.chat = a.chat
        ORDER BY u.uid, u.chat FOR NO KEY UPDATE OF u)
    UPDATE rookery.chat_unread AS u
    SET unread = least(1000, u.unread + (
        SELECT count(*) FROM added AS a
        WHERE a.uid = k.uid AND a.chat = k.chat AND a.role = 'in' AND a.at > k.read_at))
    FROM known AS k WHERE u.uid = k.uid AND u.chat = k.chat;
    RETURN NULL;
END $$;

-- Entries go with their events only, and are in the chats of these.
CREATE FUNCTION rookery.forget_unread_1() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared({lock}, 4);
    WITH known AS (
        SELECT u.uid, u.chat FROM (SELECT DISTINCT uid, chat COLLATE "C" AS chat FROM gone WHERE chat IS NOT NULL) AS g
        JOIN rookery.chat_unread AS u ON u.uid = g.uid AND u.chat = g.chat
        ORDER BY u.uid, u.chat FOR UPDATE OF u)
    DELETE FROM rookery.chat_unread AS u USING known AS k WHERE u.uid = k.uid AND u.chat = k.chat;
    RETURN NULL;
END $$;
