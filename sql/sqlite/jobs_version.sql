-- The version of the table, as a constraint is called; 0 in a table of version 1. A text is cut behind each such name,
-- and begins with the number then.
WITH RECURSIVE rest (sql) AS (
    SELECT sql
    FROM sqlite_master
    WHERE type = 'table' AND name = 'jobs' COLLATE NOCASE
    UNION ALL
    SELECT substr(sql, instr(sql, 'jobs_version_') + length('jobs_version_'))
    FROM rest
    WHERE instr(sql, 'jobs_version_') > 0
)
SELECT max(CAST(sql AS INTEGER))
FROM rest;
