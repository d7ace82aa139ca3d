-- It was not run to an end. A suspect stays one: it stays held, by a token that nobody has, until it is
-- due. Without a delay a clean job keeps its place in line.
UPDATE jobs
SET token = CASE suspect WHEN 1 THEN ?3 END,
    lease = CASE suspect WHEN 1 THEN CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + ?4 END,
    reserved_at = NULL,
    available_at = CASE ?4 WHEN 0 THEN available_at ELSE CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + ?4 END,
    attempts = max(attempts - 1, 0),
    unknown_since = CASE ?5 WHEN 1 THEN coalesce(unknown_since, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)) ELSE unknown_since END
WHERE id = ?1 AND token = ?2;
