"""Handing a subtree over from one filesystem to another: all rows of it, then one commit that decides."""
