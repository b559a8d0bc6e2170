"""What a filesystem has of a subtree, in a few bytes, so that copies are compared without sending them."""

from __future__ import annotations

import hashlib

from ..context import Context
from ..errors import NotFound
from ..filesystem.core import Core
from ..filesystem.tree.directory import walk_tree
from ..paths import child_path

EVERYTHING = Context(superuser=True, via="cluster")


async def digest(core: Core, path: str) -> tuple[int, str]:
    """Count the objects below a path, and digest the paths, uuids, versions and rights of all that is there."""
    count, found = 0, hashlib.sha256()
    try:
        async for entry, directory in walk_tree(core, EVERYTHING, path):
            count += not entry.is_directory
            row = (child_path(directory, entry.name), entry.uuid.hex(), entry.version, entry.revision, entry.perms)
            found.update(repr(row).encode())
    except NotFound:
        return 0, ""
    return count, found.hexdigest()
