-- Jobs wait here. A complete push needs a name and JSON:
-- INSERT INTO jobs (name, payload) VALUES ('CreateInvoice', '{"order_id": 1}');
--
-- Instants are in UTC, whatever the session's time zone is. The uuid is ordered by time (version 7): its
-- index grows at its end. One index serves both sides of the line: a row without a lease waits, in the
-- order of the reserve query; a row with one is held, the first hold to end in front. unique_key is binary,
-- as to text "a" and "a " are equal.
CREATE TABLE jobs (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    uuid CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT (LOWER(CONCAT(
        SUBSTR(LPAD(HEX(CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED)), 12, '0'), 1, 8),
        '-', SUBSTR(LPAD(HEX(CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED)), 12, '0'), 9, 4),
        '-7', SUBSTR(MD5(RAND()), 1, 3),
        '-a', SUBSTR(MD5(RAND()), 1, 3),
        '-', SUBSTR(MD5(CONCAT(UUID(), RAND())), 1, 12)
    ))),
    name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (name <> ''),
    queue VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT 'default' CHECK (queue <> ''),
    payload LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    attempts INT NOT NULL DEFAULT 0,
    priority TINYINT NOT NULL DEFAULT 0 CHECK (priority BETWEEN 0 AND 9),
    available_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
    reserved_at DATETIME(6) NULL,
    ran_at DATETIME(6) NULL,
    created_at VARCHAR(40) CHARACTER SET ascii NOT NULL DEFAULT (DATE_FORMAT(UTC_TIMESTAMP(3), '%Y-%m-%dT%H:%i:%s.%fZ')),
    token BIGINT NULL,
    lease DATETIME(6) NULL,
    suspect TINYINT NOT NULL DEFAULT 0,
    unknown_since DATETIME(6) NULL,
    last_error TEXT CHARACTER SET utf8mb4 NULL,
    unique_key VARBINARY(255) NULL,
    options TEXT CHARACTER SET utf8mb4 NULL,
    KEY jobs_ready (queue, lease, priority, available_at, id),
    UNIQUE KEY jobs_uuid (uuid),
    UNIQUE KEY jobs_unique_key (unique_key)
) ENGINE = InnoDB;

-- What workers are told. A queue that has a row is paused. The row without a queue's name gets another token
-- when the workers that run shall end, to be started again. The key is binary, as to text "a" and "a " are
-- equal.
CREATE TABLE jobs_signals (
    driver VARBINARY(255) NOT NULL,
    queue VARBINARY(255) NOT NULL,
    token BIGINT NULL,
    created_at VARCHAR(40) CHARACTER SET ascii NOT NULL DEFAULT (DATE_FORMAT(UTC_TIMESTAMP(3), '%Y-%m-%dT%H:%i:%s.%fZ')),
    PRIMARY KEY (driver, queue)
) ENGINE = InnoDB;
