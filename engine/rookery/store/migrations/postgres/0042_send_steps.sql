-- How far, in seconds, times of acceptance run against the numbers of sends: noted by an instance before it stores a send that was
-- accepted much earlier than one that is stored, because a clock was set back or two clocks disagree. Lists by time look that much
-- further. `number`: the newest send then; with the last of those before it the note is forgotten.
CREATE TABLE rookery.send_steps (
    id      bigint           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,  -- replication needs a key to delete rows
    number  bigint           NOT NULL,
    apart   double precision NOT NULL
);
