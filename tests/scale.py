"""How long Hypothesis looks: a little in each run, which differ, and long by command (`EMERGE_TEST_SCALE=large`)."""

from __future__ import annotations

import os

SCALES = {"small": 1, "large": 20}
SCALE = SCALES[os.environ.get("EMERGE_TEST_SCALE", "small")]


def examples(small: int) -> int:
    """The number of examples, given that of a run which anyone waits for."""
    return small * SCALE
