"""Transactions: a store over the store, and what it has seen."""
