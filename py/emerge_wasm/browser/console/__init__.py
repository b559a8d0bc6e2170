"""Cells of the console: running them, and what they print."""
