-- Sends that were accepted more than 5 seconds before another one with a lower number, and nothing else: between two of these numbers
-- the times of acceptance grow with the numbers, so that lists by time find their bounds by bisection.
CREATE TABLE send_steps (number INTEGER PRIMARY KEY);

WITH RECURSIVE walk (number, newest, is_step) AS (
    SELECT * FROM (SELECT number, created_at, 0 FROM messages ORDER BY number LIMIT 1)
    UNION ALL
    SELECT m.number,
        CASE WHEN m.created_at < walk.newest - 5.0 THEN m.created_at ELSE max(walk.newest, m.created_at) END,
        m.created_at < walk.newest - 5.0
    FROM walk CROSS JOIN messages AS m
    WHERE m.number = (SELECT min(n.number) FROM messages AS n WHERE n.number > walk.number)
)
INSERT INTO send_steps SELECT number FROM walk WHERE is_step;
