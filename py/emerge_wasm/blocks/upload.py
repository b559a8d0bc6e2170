"""Names of uploads: of one that can be gone on with its client finds the name again; others die with their writer."""

from __future__ import annotations

from uuid import uuid4

_LIVE = "live-"

BEAT_SECONDS = 15.0
"""How often the writer of an upload that dies with it says that it goes on."""

LIVE_SECONDS = 75
"""How long what it sent is kept after it was last heard of: it, and the node, may stand still for most of it."""


def new_upload(*, live: bool) -> str:
    """Return a new name of an upload; `live`: of one that dies with its writer, who says all the time that it lives."""
    return f"{_LIVE if live else ''}{uuid4().hex}"


def is_live(upload: str) -> bool:
    """Whether an upload is over when its writer has not been heard of for some time."""
    return upload.startswith(_LIVE)
