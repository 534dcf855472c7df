-- oldest: 6
-- Receiving waits while this waits for readers of the log, such as a dump; so it gives up soon, and the start is tried again.
SET LOCAL lock_timeout = '2s';
DROP INDEX rookery.events_chat;
