"""The change log, and how versions differ."""
