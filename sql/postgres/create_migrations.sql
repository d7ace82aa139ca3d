CREATE TABLE IF NOT EXISTS migrations (
    name text PRIMARY KEY,
    applied_at text NOT NULL
);
