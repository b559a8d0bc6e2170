"""Archives: a tree exported as records, and loaded from them."""
