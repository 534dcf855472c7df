-- The store itself places messages in their chats, many at once: a trigger makes SQLite copy every page that a row changes.
DROP TRIGGER place_message;
DROP TRIGGER move_message;
