-- Sends wait while this waits for readers of the table, such as a dump; so it gives up soon, and the start is tried again.
SET LOCAL lock_timeout = '2s';
DROP INDEX rookery.messages_list, rookery.messages_chat, rookery.messages_final;
