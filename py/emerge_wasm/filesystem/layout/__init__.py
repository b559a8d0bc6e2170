"""How the filesystem lies in its store: keys and rows, and what is read from them."""
