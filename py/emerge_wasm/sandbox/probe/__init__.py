"""Attacks that a node makes on its own sandbox before it runs shipped code."""
