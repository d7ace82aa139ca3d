-- Which database a connection is on; SQLite knows its file.
SELECT current_database()::text;
