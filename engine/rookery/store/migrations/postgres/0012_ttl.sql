-- oldest: 6
-- An older Rookery leaves it empty.
ALTER TABLE rookery.messages ADD COLUMN ttl double precision;  -- seconds, as asked for; NULL: the default
