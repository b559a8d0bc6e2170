"""Side-by-side measurements: each figure beside a peer, or the bare limit, taken in the same run."""
