-- The name of this database among others, so that receivers of events can tell installations apart.
INSERT INTO meta VALUES ('installation', lower(hex(randomblob(16))));
