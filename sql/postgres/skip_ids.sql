-- After an insert that met an id which somebody gave a row by hand: the next ids go behind all that follow it.
WITH given AS MATERIALIZED (SELECT nextval(pg_get_serial_sequence('jobs', 'id')) AS id)
SELECT setval(pg_get_serial_sequence('jobs', 'id'), (
    SELECT id
    FROM jobs
    WHERE id >= (SELECT id FROM given) AND id < 9223372036854775807
        AND NOT EXISTS (SELECT 1 FROM jobs AS following WHERE following.id = jobs.id + 1)
    ORDER BY id
    LIMIT 1
))
FROM given
WHERE EXISTS (SELECT 1 FROM jobs WHERE jobs.id = given.id);
