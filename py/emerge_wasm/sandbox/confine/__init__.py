"""The layers that confine a worker: Landlock, seccomp, resource limits and others."""
