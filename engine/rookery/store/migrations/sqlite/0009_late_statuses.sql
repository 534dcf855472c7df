-- The writes of statuses under a lease are counted; one that arrives after a later one changes nothing.
ALTER TABLE sessions ADD COLUMN told_fence INTEGER;
ALTER TABLE sessions ADD COLUMN told_number INTEGER;
