-- The name of this database among others, so that receivers of events can tell installations apart.
INSERT INTO rookery.meta (key, value) VALUES ('installation', replace(gen_random_uuid()::text, '-', ''));
