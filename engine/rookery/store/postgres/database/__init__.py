"""The PostgreSQL database: the pool, appends to the log, notifications, migrations, errors."""
