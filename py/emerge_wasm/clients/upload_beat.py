"""Says again and again that an upload goes on, which dies with its writer; for as long as that is open."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from weakref import ref

from ..blocks.upload import BEAT_SECONDS
from ..errors import EmergeError
from ..operations import Operations


class UploadBeat:
    """Keeps what was sent in an upload, until it is ended or forgotten. Needs a running loop."""

    def __init__(self, remote: Operations, path: str, upload: str) -> None:
        self._task = asyncio.ensure_future(_beat(ref(self), remote, path, upload))

    def end(self) -> None:
        self._task.cancel()


async def _beat(beat: ref[UploadBeat], remote: Operations, path: str, upload: str) -> None:
    while beat() is not None:  # whoever wrote may have forgotten the file without closing it
        await asyncio.sleep(BEAT_SECONDS)
        with suppress(EmergeError):  # the node may be back before the upload is over
            await remote.haveblocks(path, [], upload)
