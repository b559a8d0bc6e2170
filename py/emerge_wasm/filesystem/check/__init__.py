"""Check that a whole store is consistent."""
