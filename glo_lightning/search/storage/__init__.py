"""Where studies live: SQLite, a journal file, a database server."""
