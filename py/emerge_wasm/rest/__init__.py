"""The operations over HTTP, for a node and for the relay."""
