"""Ways to reach a filesystem, one file each; none is imported before it is needed."""
