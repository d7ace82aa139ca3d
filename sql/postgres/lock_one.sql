-- Locks one row, if it still is what it was found as: due ('fresh'), held until a time that is over ('suspect'), or such
-- that no take would ever find it ('odd', see find_odd.sql); take_one.sql takes it.
SELECT id
FROM jobs
WHERE id = $1 AND queue = ANY ($2::text[]) AND CASE $3::text
    WHEN 'fresh' THEN token IS NULL AND available_at <= now()
    WHEN 'suspect' THEN token IS NOT NULL AND lease <= now()
        AND ($4 OR (NOT suspect AND (ran_at = reserved_at) IS NOT TRUE))
    WHEN 'odd' THEN token IS NULL AND (available_at >= '9999-01-01Z' OR available_at <= now() AND priority NOT BETWEEN 0 AND 9)
        OR token IS NOT NULL AND (lease >= '9999-01-01Z' OR lease IS NULL)
END
FOR UPDATE SKIP LOCKED;
