"""Following the log: the code that server-sent events and WebSockets share, and the WebSocket."""
