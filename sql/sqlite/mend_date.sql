-- A date that was written as text becomes the instant that it means.
UPDATE jobs
SET available_at = ?2
WHERE id = ?1 AND token IS NULL AND typeof(available_at) = 'text';
