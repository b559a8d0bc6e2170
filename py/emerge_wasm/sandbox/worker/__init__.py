"""The code that runs in the zygote and its worker processes."""
