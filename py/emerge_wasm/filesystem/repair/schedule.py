"""When and how fast blocks are scrubbed, and made again of holders that are away. Data only."""

from __future__ import annotations

from typing import NamedTuple


class ScrubSchedule(NamedTuple):
    """How many bytes a second are read, and how many days lie between the beginnings of two passes."""

    rate: int = 8 << 20
    days: float = 30.0
    rebuild_after: float = 600.0
    """Seconds after which what a holder has that is away is made again elsewhere."""
