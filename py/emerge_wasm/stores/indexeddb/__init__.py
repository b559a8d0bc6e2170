"""A store in the browser's IndexedDB, and its blocks in the origin's private files."""
