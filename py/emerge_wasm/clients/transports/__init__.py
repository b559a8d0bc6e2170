"""The transports by which a client reaches a filesystem, imported only when needed."""
