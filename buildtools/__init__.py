"""What build.py does, a file per kind of step. Standard library only: it runs before any environment exists."""
