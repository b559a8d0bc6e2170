"""The SQLite engine: one file, one writing process. Must not be imported in a browser."""
