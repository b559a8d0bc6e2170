"""The ZODB engine."""
