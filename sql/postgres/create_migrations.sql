-- A batch is what one migrate applied.
CREATE TABLE IF NOT EXISTS craft_migrations (
    name text PRIMARY KEY,
    batch bigint NOT NULL,
    applied_at text NOT NULL
);
