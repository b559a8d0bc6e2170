"""Transactions: an overlay over the store, and what it has read."""
