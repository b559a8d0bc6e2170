"""The worker process: what it imports, how it talks, and the end of it."""
