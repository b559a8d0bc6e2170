"""Running methods: in turn, with what they reach, what they leave; and how one is executed in a process."""
