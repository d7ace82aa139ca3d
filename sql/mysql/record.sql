-- A job that is there already stays as it is, unless it is being retried: then this is its new failure.
-- The order of the columns counts: retried_at must be the last to change.
INSERT INTO failed_jobs (uuid, driver, connection, queue, name, payload, exception, attempts, failed_at,
    options, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, failed_at)
ON DUPLICATE KEY UPDATE
    id = IF(retried_at IS NULL, id, LAST_INSERT_ID(id)),
    driver = IF(retried_at IS NULL, driver, VALUES(driver)),
    connection = IF(retried_at IS NULL, connection, VALUES(connection)),
    queue = IF(retried_at IS NULL, queue, VALUES(queue)),
    payload = IF(retried_at IS NULL, payload, VALUES(payload)),
    exception = IF(retried_at IS NULL, exception, VALUES(exception)),
    attempts = IF(retried_at IS NULL, attempts, VALUES(attempts)),
    failed_at = IF(retried_at IS NULL, failed_at, VALUES(failed_at)),
    options = IF(retried_at IS NULL, options, VALUES(options)),
    retried_at = NULL;
