-- The columns of the table in which version 0.1.0 kept what was applied, or of another program's.
SELECT name
FROM pragma_table_info('migrations')
ORDER BY name;
