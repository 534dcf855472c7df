-- oldest: 1
-- Instances and what they ask of each other. Nothing of it outlives the instances, so none of it is worth a crash's
-- recovery: UNLOGGED tables are empty after one, every instance says again that it lives, and whoever waits for an answer
-- has a deadline.

CREATE UNLOGGED TABLE rookery.instances (
    name       text COLLATE "C" PRIMARY KEY,
    draining   boolean NOT NULL,
    sessions   bigint NOT NULL,
    capacity   bigint,
    started_at double precision NOT NULL,
    until      timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE UNLOGGED TABLE rookery.calls (
    number    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id        text NOT NULL UNIQUE,
    owner     text NOT NULL,
    method    text NOT NULL,
    arguments bytea NOT NULL,  -- encrypted
    deadline  timestamptz NOT NULL,
    taken     boolean NOT NULL DEFAULT false,
    answer    bytea  -- encrypted
);

CREATE INDEX calls_waiting ON rookery.calls (owner, number) WHERE NOT taken;
