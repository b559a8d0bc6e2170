"""Running methods: their order, their access to the filesystem, their receipts, and their execution in a process."""
