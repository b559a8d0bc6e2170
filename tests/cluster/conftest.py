"""Real nodes, as in the tests of nodes."""

from tests.node.conftest import connect, stack, start_node

__all__ = ["connect", "stack", "start_node"]
