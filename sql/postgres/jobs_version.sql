-- The version of the table, as a constraint is called; none in a table of version 1.
SELECT max(substring(conname FROM '[0-9]+$')::bigint)
FROM pg_constraint
WHERE conrelid = to_regclass('jobs') AND conname ~ '^jobs_version_[0-9]{1,9}$';
