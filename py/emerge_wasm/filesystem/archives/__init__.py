"""A tree as records that make it again."""
