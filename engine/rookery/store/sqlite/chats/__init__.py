"""The SQL of chats: the view of the log, and how many messages are unread."""
