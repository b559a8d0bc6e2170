"""Building an index over what is there already, page by page, beside all other work."""
