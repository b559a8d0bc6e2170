"""Blocks of one filesystem: what is stored once by its hash, who counts on it, and the collection of the rest."""
