ALTER TABLE messages ADD COLUMN ttl REAL;  -- seconds, as asked for; NULL: the default
