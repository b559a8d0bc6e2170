"""Whether all of a store agrees with itself."""
