-- Rows that no take would ever find: due in the year 9999, or held until then. A session that checks no constraints
-- may have written other priorities than ours. It passes over the rows that the database does not let anybody take.
(
    SELECT id
    FROM jobs
    WHERE queue = ? AND LENGTH(queue) = ? AND lease IS NULL AND priority IN (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
        AND available_at >= '9999-01-01' AND FIND_IN_SET(id, ?) = 0
    LIMIT 100
)
UNION ALL
(
    SELECT id
    FROM jobs
    WHERE queue = ? AND LENGTH(queue) = ? AND lease IS NULL AND (priority < 0 OR priority > 9)
        AND available_at >= '9999-01-01' AND FIND_IN_SET(id, ?) = 0
    LIMIT 100
)
UNION ALL
(
    SELECT id
    FROM jobs
    WHERE queue = ? AND LENGTH(queue) = ? AND lease >= '9999-01-01' AND FIND_IN_SET(id, ?) = 0
    LIMIT 100
);
