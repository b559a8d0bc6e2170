"""The layers that close a worker in: Landlock, seccomp, limits and the rest."""
