"""What runs inside a worker: shipped code, its printing, its result and its errors."""
