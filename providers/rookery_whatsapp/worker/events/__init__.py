"""What a client reports, as events of the log and notices about its connection."""
