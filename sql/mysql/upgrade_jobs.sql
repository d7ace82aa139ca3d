-- Brings a table of jobs from version 1, that of craft-queue 0.1.0, to version 2. All jobs stay as they are.
-- The constraint's name is the version. Tokens are below 0 from now on: a worker of version 1, whose tokens are above,
-- is refused what it takes. What it holds now stays its own (held_before), and is settled by it.
-- A row that breaks a rule of version 1 stays as it is: it fails alone, when it is taken. The change waits two seconds
-- for others, as everybody waits behind it meanwhile; then it is tried again.
SET /*M! check_constraint_checks = 0, */ lock_wait_timeout = 2;
-- One statement, which the server does as a whole or not at all.
ALTER TABLE jobs
    MODIFY COLUMN uuid CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT (LOWER(CONCAT(
        SUBSTR(LPAD(HEX(CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED)), 12, '0'), 1, 8),
        '-', SUBSTR(LPAD(HEX(CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED)), 12, '0'), 9, 4),
        '-7', SUBSTR(SHA2(RAND(), 256), 1, 3),
        '-a', SUBSTR(SHA2(RAND(), 256), 1, 3),
        '-', SUBSTR(SHA2(CONCAT(UUID(), RAND()), 256), 1, 12)
    ))),
    MODIFY COLUMN payload LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT ('{}'),
    MODIFY COLUMN options LONGTEXT CHARACTER SET utf8mb4 NULL,
    ADD COLUMN held_before BIGINT NULL DEFAULT (token),
    ADD COLUMN progress TEXT CHARACTER SET utf8mb4 NULL,
    ADD CONSTRAINT jobs_version_2 CHECK (token IS NULL OR token < 0 OR token = COALESCE(held_before, 0));
SET /*M! check_constraint_checks = 1, */ lock_wait_timeout = 3600;
