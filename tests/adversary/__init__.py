"""Strangers at work: what one principal sends, stores or runs must not reach another (docs/security.md)."""
