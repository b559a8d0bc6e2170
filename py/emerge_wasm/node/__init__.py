"""The node: a process that serves a filesystem to a cluster over ZeroMQ. The sockets live here, the logic does not."""
