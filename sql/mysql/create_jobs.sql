-- Jobs wait here. A complete push needs a name and JSON:
-- INSERT INTO jobs (name, payload) VALUES ('CreateInvoice', '{"order_id": 1}');
--
-- Instants are in UTC, whatever the session's time zone is. The uuid is ordered by time (version 7): its
-- index grows at its end. One index serves both sides of the line: a row without a lease waits, in the
-- order of the reserve query; a row with one is held, the first hold to end in front. unique_key is binary,
-- as to text "a" and "a " are equal. SHA2, as MySQL 9 allows no MD5 in a default.
--
-- The constraint's name is the version of the table. Tokens are below 0: a worker of version 1, whose tokens are
-- above, is refused what it takes. What it held when the table was upgraded stays its own (held_before).
CREATE TABLE jobs (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    uuid CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT (LOWER(CONCAT(
        SUBSTR(LPAD(HEX(CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED)), 12, '0'), 1, 8),
        '-', SUBSTR(LPAD(HEX(CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED)), 12, '0'), 9, 4),
        '-7', SUBSTR(SHA2(RAND(), 256), 1, 3),
        '-a', SUBSTR(SHA2(RAND(), 256), 1, 3),
        '-', SUBSTR(SHA2(CONCAT(UUID(), RAND()), 256), 1, 12)
    ))),
    name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (name <> ''),
    queue VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT 'default' CHECK (queue <> ''),
    payload LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT ('{}'),
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
    options LONGTEXT CHARACTER SET utf8mb4 NULL,
    held_before BIGINT NULL DEFAULT (token),
    progress TEXT CHARACTER SET utf8mb4 NULL,
    KEY jobs_ready (queue, lease, priority, available_at, id),
    UNIQUE KEY jobs_uuid (uuid),
    UNIQUE KEY jobs_unique_key (unique_key),
    CONSTRAINT jobs_version_2 CHECK (token IS NULL OR token < 0 OR token = COALESCE(held_before, 0))
) ENGINE = InnoDB;
