-- The columns of the table in which version 0.1.0 kept what was applied, or of another program's.
SELECT LOWER(column_name) AS name
FROM information_schema.columns
WHERE table_schema = DATABASE() AND table_name = 'migrations'
ORDER BY name;
