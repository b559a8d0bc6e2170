"""The code around a call of shipped code, inside the process that runs it: its output, its result and its errors."""
