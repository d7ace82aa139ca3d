-- A batch is what one migrate applied.
CREATE TABLE IF NOT EXISTS craft_migrations (
    name VARCHAR(255) NOT NULL PRIMARY KEY,
    batch BIGINT NOT NULL,
    applied_at VARCHAR(40) NOT NULL
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
