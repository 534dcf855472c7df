-- The address that a call came from.
ALTER TABLE audit ADD COLUMN client TEXT;
