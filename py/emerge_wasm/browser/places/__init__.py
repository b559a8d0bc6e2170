"""The two filesystems of a tab: its own, and the cluster's."""
