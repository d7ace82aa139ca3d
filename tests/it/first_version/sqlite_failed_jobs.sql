-- The dead lie here until they are retried or forgotten. retried_at marks a row that is being put back.
CREATE TABLE failed_jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid TEXT NOT NULL,
    driver TEXT NOT NULL,
    connection TEXT NOT NULL,
    queue TEXT NOT NULL,
    name TEXT NOT NULL,
    payload TEXT NOT NULL,
    exception TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    failed_at TEXT NOT NULL,
    created_at TEXT NOT NULL,
    retried_at INTEGER,
    options TEXT
);
CREATE UNIQUE INDEX failed_jobs_uuid ON failed_jobs (uuid);
