"""Indexes: defined, built, kept with every change, read."""
