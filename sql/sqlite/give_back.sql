-- It was not run to an end. What was taken as a suspect stays one: it stays held, by a token that nobody has, until
-- it is due. Where the row does not call it one, its take counted no attempt. Without a delay a clean job keeps its
-- place in line.
-- The rule of attempts and due time is Lifecycle::settle (src/driver/job_state.rs).
UPDATE jobs
SET token = CASE ?6 WHEN 1 THEN ?3 END,
    lease = CASE ?6 WHEN 1 THEN CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + ?4 END,
    reserved_at = NULL,
    available_at = CASE ?4 WHEN 0 THEN available_at ELSE CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + ?4 END,
    attempts = CASE WHEN ?6 = 1 AND suspect = 0 THEN attempts ELSE max(attempts - 1, 0) END,
    unknown_since = CASE ?5 WHEN 1 THEN coalesce(unknown_since, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)) ELSE unknown_since END
WHERE id = ?1 AND token = ?2;
