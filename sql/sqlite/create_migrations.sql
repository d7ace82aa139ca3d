-- A batch is what one migrate applied.
CREATE TABLE IF NOT EXISTS craft_migrations (
    name TEXT PRIMARY KEY NOT NULL,
    batch INTEGER NOT NULL,
    applied_at TEXT NOT NULL
);
