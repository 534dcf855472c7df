-- oldest: 6
-- Lists the events that were there before, some seconds for each million. Meanwhile events are received and sends go out; the view
-- of chats waits, because its duty is locked here before it locks anything, and nothing is deleted.
INSERT INTO rookery.duties AS d (name, owner, until) VALUES ('chats', 'migration', clock_timestamp())
ON CONFLICT (name) DO UPDATE SET until = d.until;
SELECT pg_advisory_xact_lock({lock}, 3);
INSERT INTO rookery.event_chats (chat, session, type, event)
SELECT chat, session, type, id FROM rookery.events
WHERE chat IS NOT NULL AND id <= (SELECT value::bigint FROM rookery.meta WHERE key = 'chats_unlisted')
ORDER BY chat COLLATE "C", session COLLATE "C", type COLLATE "C", id;
DELETE FROM rookery.meta WHERE key = 'chats_unlisted';
ANALYZE rookery.event_chats;
