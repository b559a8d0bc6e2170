"""Build an index over existing objects, page by page, in the background."""
