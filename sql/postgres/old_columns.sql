-- The columns of the table in which version 0.1.0 kept what was applied, or of another program's.
SELECT attname::text
FROM pg_attribute
WHERE attrelid = to_regclass('migrations') AND attnum > 0 AND NOT attisdropped
ORDER BY attname::text COLLATE "C";
