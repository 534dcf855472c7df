-- oldest: 6
-- Seconds that the clock of the instance's machine is ahead of this server's.
ALTER TABLE rookery.instances ADD COLUMN clock_skew double precision NOT NULL DEFAULT 0;
