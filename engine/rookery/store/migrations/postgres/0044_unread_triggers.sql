-- A transaction of its own: one that also locked `chats` could wait in a circle with others.
SET LOCAL lock_timeout = '2s';
CREATE TRIGGER forget_unread AFTER DELETE ON rookery.events REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION rookery.forget_unread_1();
CREATE TRIGGER count_unread AFTER INSERT ON rookery.chat_entries REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION rookery.count_unread_1();
