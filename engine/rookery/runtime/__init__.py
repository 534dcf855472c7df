"""Tools that tasks share: wake-ups, shields, clocks, threads, names, the HTTP client, the board of statuses."""
