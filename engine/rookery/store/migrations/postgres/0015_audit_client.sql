-- The address that a call came from.
ALTER TABLE rookery.audit ADD COLUMN client text;
