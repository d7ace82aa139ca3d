-- One of the columns that take.sql answers as text, to see whether it can be.
SELECT CASE $2::text
    WHEN 'name' THEN name
    WHEN 'payload' THEN payload
    WHEN 'last_error' THEN last_error
    WHEN 'unique_key' THEN unique_key
    WHEN 'options' THEN options
END
FROM jobs
WHERE id = $1;
