"""Files that only their owner can read, replaced whole or not at all. Only the standard library's `os`."""

from __future__ import annotations

import os


def replace_private(path: str | os.PathLike[str], data: bytes) -> None:
    """Put a file in place of the one at a path, if there is one; folders above it are made, for the owner alone.

    Raises:
        OSError: it cannot be written; what was there is there still.
    """
    path = os.fspath(path)
    folder = os.path.dirname(path)
    if folder:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    fresh = f"{path}.{os.urandom(4).hex()}"
    try:
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
    except OSError:
        if os.path.exists(fresh):
            os.unlink(fresh)
        raise
