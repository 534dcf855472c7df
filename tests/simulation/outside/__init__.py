"""What the engines talk to: the database, the platforms, the endpoints."""
