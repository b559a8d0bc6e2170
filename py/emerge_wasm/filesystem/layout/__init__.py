"""The layout of the filesystem in its store: keys and rows, and what is read from them."""
