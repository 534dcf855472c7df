"""HTTP/1.1 and WebSockets on trio sockets: connections, exchanges, bodies, the access log."""
