"""What was acknowledged survives the death of a node, and two nodes on one store lose nothing."""
