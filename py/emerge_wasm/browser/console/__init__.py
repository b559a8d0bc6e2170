"""The console: runs cells and collects their output."""
