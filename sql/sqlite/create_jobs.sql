-- Jobs wait here. A complete push needs a name and JSON:
-- INSERT INTO jobs (name, payload) VALUES ('CreateInvoice', '{"order_id": 1}');
--
-- Instants are milliseconds since 1970 UTC by the database's clock; julianday, as older shells have no
-- unixepoch('subsec'). The uuid is ordered by time (version 7): a random one halves the speed.
--
-- The constraint's name is the version of the table. Tokens are below 0: a worker of version 1, whose tokens are
-- above, is refused what it takes. What it held when the table was upgraded stays its own (held_before).
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid TEXT NOT NULL DEFAULT (
        substr(printf('%012x', (julianday('now') - 2440587.5) * 86400000), 1, 8)
        || '-' || substr(printf('%012x', (julianday('now') - 2440587.5) * 86400000), 9)
        || '-7' || substr(lower(hex(randomblob(2))), 2)
        || '-a' || substr(lower(hex(randomblob(2))), 2)
        || '-' || lower(hex(randomblob(6)))
    ),
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    queue TEXT NOT NULL DEFAULT 'default' CHECK (length(queue) BETWEEN 1 AND 255),
    payload TEXT NOT NULL DEFAULT '{}',
    attempts INTEGER NOT NULL DEFAULT 0,
    priority INTEGER NOT NULL DEFAULT 0 CHECK (priority BETWEEN 0 AND 9),
    available_at INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)),
    reserved_at INTEGER,
    ran_at INTEGER,
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    token INTEGER,
    lease INTEGER,
    suspect INTEGER NOT NULL DEFAULT 0,
    unknown_since INTEGER,
    last_error TEXT,
    unique_key TEXT,
    options TEXT,
    held_before INTEGER,
    progress TEXT CONSTRAINT jobs_version_2 CHECK (token IS NULL OR token < 0 OR token = coalesce(held_before, 0))
);
-- The order of the reserve query, and only what it may take.
CREATE INDEX jobs_ready ON jobs (queue, priority DESC, available_at, id) WHERE token IS NULL;
-- Whose hold ends first.
CREATE INDEX jobs_held ON jobs (lease) WHERE token IS NOT NULL;
CREATE UNIQUE INDEX jobs_uuid ON jobs (uuid);
CREATE UNIQUE INDEX jobs_unique_key ON jobs (unique_key) WHERE unique_key IS NOT NULL;
