"""Keys by which nodes and clients know each other: key pairs, the ring of a cluster, and what a process shows."""
