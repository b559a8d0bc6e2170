"""Handlers of what the page asks of the kernel, one module for each kind of request."""
