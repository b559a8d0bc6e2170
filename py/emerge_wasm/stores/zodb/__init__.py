"""The ZODB engine: a file, a ZEO server or PostgreSQL by RelStorage. Must not be imported in a browser."""
