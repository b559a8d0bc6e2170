"""Blocks: pieces of large values and files, named by their hash. Pure: bytes to bytes, no I/O, no clock."""
