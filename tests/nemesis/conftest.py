"""The nodes of tests/node, in this process."""

from tests.node.conftest import stack, start_node

__all__ = ["stack", "start_node"]
