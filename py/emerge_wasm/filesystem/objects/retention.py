"""Decide which versions are kept: all, a number, or those of some days, by the rule of the nearest directory above.

The commit of a newer version removes those that are no longer kept, the oldest first.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache

from ...context import Context
from ...errors import Invalid
from ...paths import child_path
from ..change import Change
from ..commit import commit, commit_dropped, retry
from ..core import Core
from ..layout import access
from ..layout.moment import format_date
from ..layout.place import PathNames, Place
from ..layout.record import Entry, VersionRecord, is_directory, version_key
from ..tree.directory import walk_tree
from ..tree.find import find_directory, find_place, name

ALL = "all"
AT_ONCE = 100
"""Versions looked at in one commit."""

_KEEP = re.compile(r"(?P<count>[1-9][0-9]{0,8})(?P<days> ?d(ays?)?)?")


def check_keep(keep: str) -> str:
    """Return the rule in its stored form: "", "all", "10" or "30 days"; raise Invalid for anything else."""
    if keep in ("", ALL):
        return keep
    found = _KEEP.fullmatch(keep)
    if found is None:
        raise Invalid(f"{keep[:40]!r} does not say what to keep", remedy='say "all", a number, or "30 days"')
    return f"{int(found['count'])}{' days' if found['days'] else ''}"


def rule_of(place: Place) -> str:
    """Return the rule of the nearest directory, which may be the place itself."""
    kept = (_keep_of(raw) for raw in reversed(place.chain) if is_directory(raw))
    return next(filter(None, kept), ALL)


@lru_cache(maxsize=65536)
def _keep_of(raw: bytes) -> str:
    return Entry.unpack(raw).keep


async def prune(core: Core, change: Change, entry: Entry, rule: str) -> None:
    """Add to a change the removal of versions of an entry that its rule no longer keeps.

    `entry` is the new version. It stays, as does every version whose state it or a kept version uses.
    """
    if rule == ALL or entry.is_directory:
        return
    start = version_key(entry.uuid, 0)
    rows = await core.store.scan("versions", start, version_key(entry.uuid, entry.version), limit=AT_ONCE)
    records = [(key, VersionRecord.unpack(raw)) for key, raw in rows]
    count = int(rule.split()[0])
    if rule.endswith("days"):
        limit = format_date(datetime.fromisoformat(entry.date) - timedelta(days=count))
        old = [(key, record) for key, record in records if record.entry.date < limit]
    else:
        old = [(key, record) for key, record in records if record.entry.version <= entry.version - count]
    kept = [record.entry.content for _, record in records[len(old) :]]
    leaned_on = {entry.content, *kept}
    if len(rows) == AT_ONCE and len(old) == len(
        rows
    ):  # the next version, not read here, may use the state of the last of these
        leaned_on.add(old[-1][1].entry.content)
    for key, record in old:
        if record.entry.version not in leaned_on:
            change.drop_version(key, record.entry)


async def retain(core: Core, context: Context, path: str, keep: str | None) -> str:
    found = await find_directory(core, context, path, "r" if keep is None else "rw")
    if keep is None:
        return rule_of(found.place)
    kept = check_keep(keep)
    names = await name(core, path)

    async def attempt() -> None:
        place = await find_place(core, names)
        access.check(context, place, "w")
        old = Entry.unpack(place.chain[-1])
        change = Change(dates=core.dates, context=context)
        entry = change.record(old._replace(keep=kept), place.parent, place.directory, "retain")
        change.replace(place, entry)
        await commit(core, change)

    await retry(path, attempt)
    rule = rule_of(await find_place(core, names))
    await prune_tree(core, context, found.path)
    return rule


async def prune_tree(core: Core, context: Context, path: str) -> None:
    """Remove the versions that are no longer kept of all that is below a directory."""
    everything = replace(context, superuser=True)
    paths = [child_path(at, child.name) async for child, at in walk_tree(core, everything, path)]
    for each in paths:
        await prune_object(core, context, await name(core, each))


async def prune_object(core: Core, context: Context, names: PathNames, entry: Entry | None = None) -> None:
    """Remove the versions of an object that are no longer kept, or were not from this version of it on."""
    while True:
        place = await find_place(core, names)
        change = Change(dates=core.dates, context=context)
        if place.entry is not None:
            await prune(core, change, entry or place.entry, rule_of(place))
        if not change.deletes:
            return
        await commit_dropped(core, change)
