"""Paths and directories: where they lead, and how entries are moved and owned."""
