"""Following the log: what server-sent events and WebSockets have in common, and the latter."""
