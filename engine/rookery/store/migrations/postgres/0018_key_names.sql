-- oldest: 6
-- Which secret keys the instance has, by their names (hashes): a key is rotated once every instance has the new one.
ALTER TABLE rookery.instances ADD COLUMN keys text NOT NULL DEFAULT '';
