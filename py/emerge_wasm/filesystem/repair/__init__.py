"""Blocks that are lost or damaged: found by reading all of them from time to time, and made again."""
