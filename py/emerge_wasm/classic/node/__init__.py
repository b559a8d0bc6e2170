"""The older project's package of that name: `node.server`."""
