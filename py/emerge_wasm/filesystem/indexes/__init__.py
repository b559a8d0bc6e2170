"""Indexes: definitions, rows, upkeep with every change, and reading."""
