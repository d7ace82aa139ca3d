-- The dead lie here until they are retried or forgotten. retried_at marks a row that is being put back.
CREATE TABLE failed_jobs (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    uuid VARCHAR(255) NOT NULL,
    driver VARCHAR(255) NOT NULL,
    connection VARCHAR(255) NOT NULL,
    queue VARCHAR(255) NOT NULL,
    name VARCHAR(255) NOT NULL,
    payload LONGTEXT NOT NULL,
    exception TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    failed_at VARCHAR(40) NOT NULL,
    created_at VARCHAR(40) NOT NULL,
    retried_at DATETIME(6) NULL,
    options LONGTEXT NULL,
    UNIQUE KEY failed_jobs_uuid (uuid)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
