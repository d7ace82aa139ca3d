SELECT queue, token
FROM jobs_signals
WHERE driver = $1;
