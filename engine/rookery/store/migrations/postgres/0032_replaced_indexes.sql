-- oldest: 6
SET LOCAL lock_timeout = '2s';
DROP INDEX rookery.chat_entries_about;
DROP INDEX rookery.messages_sent;
