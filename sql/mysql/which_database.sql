-- Which server and database a connection is on; SQLite knows its file.
SELECT DATABASE();
