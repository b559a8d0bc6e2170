"""Paths and directories: resolving and listing them, and moving and owning entries."""
