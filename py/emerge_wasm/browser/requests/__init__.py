"""Handlers of the page's requests to the kernel, one module for each kind."""
