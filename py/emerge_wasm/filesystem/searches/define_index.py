"""The operation `index`: define, drop and list indexes. `indexes/build/` builds them."""

from __future__ import annotations

from ...context import Context
from ...errors import Conflict, Invalid, LimitExceeded, NotFound, PermissionDenied
from ...operations import Names
from ...paths import join_path
from ...results import IndexRow, IndexRows
from ...store import Batch, prefix_end
from ..commit import Stale, commit_batch, retry
from ..core import Core
from ..indexes.definitions import add_definitions, read_catalogue
from ..indexes.index import Index, all_indexes
from ..layout import access
from ..layout.ancestry import DirectoryGone, ancestry
from ..layout.catalogue import CATALOGUE, Catalogue, Definition, parse, ready_key
from ..layout.place import ROOT_KEY, ROOT_RAW, Place
from ..layout.record import BROUGHT
from ..tree.find import Found, find_directory, find_place, name
from ..tree.load import children
from .suggestion import NEVER, suggestions

FIELDS_LIMIT = 4
FIELD_LENGTH = 200
INDEXES_LIMIT = 200
"""Most indexes of one filesystem: every change of an object goes through their definitions."""


async def index(
    core: Core, context: Context, path: str, fields: Names | None, unique: bool, text: bool, drop: bool
) -> IndexRows:
    found = await find_directory(core, context, path, "w" if fields else "r")
    if fields:
        checked = _check_fields(fields, unique, text)
        if context.transaction:
            raise Invalid("indexes are not part of transactions", path=path, remedy="define or drop it outside of one")
        names = await name(core, path)
        if drop:
            await retry(path, lambda: _drop(core, context, names, checked, text))
        else:
            await retry(path, lambda: _define(core, context, names, checked, unique, text))
    elif drop:
        raise Invalid("which index shall go?", path=path, remedy="name its fields")
    return [*await _list(core, context, found), *await suggestions(core, context, found.path)]


def _check_fields(fields: Names, unique: bool, text: bool) -> tuple[str, ...]:
    for each in fields:
        if not isinstance(each, str) or len(each) > FIELD_LENGTH or not all(each.split(".")):
            raise Invalid(f"{str(each)[:40]!r} is not a field", remedy="name one, or what is in one: address.city")
        if each.split(".")[0] in NEVER:
            raise Invalid(f"{each} is not kept in an index", remedy="search at or below a path instead")
    if len(set(fields)) < len(fields) or len(fields) > FIELDS_LIMIT:
        raise Invalid(f"an index is over 1 to {FIELDS_LIMIT} different fields")
    if text and (unique or len(fields) > 1):
        raise Invalid("a text index is over one field, and is not unique", remedy="define one for each field")
    if (unique or text) and "date" in fields:
        raise Invalid("an index over dates is neither unique nor of words", remedy="leave out unique, or date")
    return tuple(fields)


async def _directory(core: Core, context: Context, names: tuple[str, ...]) -> Place:
    place = await find_place(core, names)
    if place.entry is None or not place.entry.is_directory:
        raise NotFound(f"no directory is at {join_path(*names)}", path=join_path(*names))
    access.check(context, place, "w")
    return place


def _same(catalogue: Catalogue, uuid: bytes, fields: tuple[str, ...], text: bool) -> Definition | None:
    return next((d for d in catalogue.definitions if (d.directory, d.fields, d.text) == (uuid, fields, text)), None)


async def _define(
    core: Core, context: Context, names: tuple[str, ...], fields: tuple[str, ...], unique: bool, text: bool
) -> None:
    place = await _directory(core, context, names)
    if unique:  # its conflicts reveal values to callers who may not read them, and block those values
        access.check_owner(context, place, "unique indexes")
    uuid, path = place.chain[-1][:16], place.path
    raw = await read_catalogue(core)
    catalogue = parse(raw)
    same = _same(catalogue, uuid, fields, text)
    if same is not None and same.unique != unique:
        raise Conflict(
            f"the index over {', '.join(fields)} of {path} is {'' if same.unique else 'not '}unique",
            path=path,
            remedy="drop it first",
        )
    if same is not None and not same.error:
        return
    if len(catalogue.definitions) >= INDEXES_LIMIT:
        raise LimitExceeded(f"there are {INDEXES_LIMIT} indexes", remedy="drop some", limit="indexes")
    batch = _expecting(raw, place)
    if same is not None:
        add_definitions(batch, catalogue.renew([same.id]), [])
    else:
        add_definitions(batch, catalogue.add(uuid, fields, unique, text), [])
    if not await children(core, uuid, limit=1):  # an empty directory's index is complete at once
        batch.expect_count("entries", uuid, prefix_end(uuid), 0)
        batch.put("meta", ready_key(catalogue.next), b"")
    await _commit(core, batch)


async def _drop(core: Core, context: Context, names: tuple[str, ...], fields: tuple[str, ...], text: bool) -> None:
    place = await _directory(core, context, names)
    raw = await read_catalogue(core)
    same = _same(parse(raw), place.chain[-1][:16], fields, text)
    if same is None:
        what = f"{'text ' if text else ''}index over {', '.join(fields)}"
        raise NotFound(f"{place.path} has no {what}", path=place.path, remedy="list those there without naming fields")
    if same.unique:
        access.check_owner(context, place, "unique indexes")
    batch = _expecting(raw, place)
    add_definitions(batch, parse(raw).remove([same.id]), [same.id])
    await _commit(core, batch)


def _expecting(catalogue: bytes, place: Place) -> Batch:
    """Make a commit that expects the index catalogue unchanged and the directory in place."""
    batch = Batch()
    batch.expect(*CATALOGUE, catalogue or None)
    if place.names:
        batch.expect("entries", place.key, place.raw)
    else:
        batch.expect("entries", ROOT_KEY, None if place.root == ROOT_RAW else place.root)
    return batch


async def _commit(core: Core, batch: Batch) -> None:
    batch.append("log", BROUGHT)  # no version: so that copies ask at once, and one that has it can be waited for
    try:
        positions = await commit_batch(core, batch)
    except Conflict as error:
        raise Stale from error
    await read_catalogue(core)
    await core.made(positions)


# --- listing
async def _list(core: Core, context: Context, found: Found) -> IndexRows:
    """List the indexes at, above and below a directory that the caller may see."""
    rows = []
    for each in await all_indexes(core):
        try:
            names = [name for _, name in await ancestry(core.store, each.directory)]
            place = await find_place(core, tuple(names))
            access.check(context, place, "r")
        except (DirectoryGone, PermissionDenied):
            continue
        if place.raw is not None and _on_the_way(place.names, found.place.names):
            rows.append(_row(each, place, access.owns(context, place.raw)))
    return sorted(rows, key=lambda row: (row["path"], row["fields"]))


def _on_the_way(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    common = min(len(one), len(other))
    return one[:common] == other[:common]


def _row(each: Index, place: Place, whole: bool) -> IndexRow:
    """Describe an index; only the owner of its directory sees the paths in its error."""
    error = each.error
    if error and not whole:
        same = f"have the same {' and '.join(each.fields)}"
        error = f"two objects {same}" if error.endswith(same) else "it could not be built"
    return {
        "path": place.path,
        "fields": list(each.fields),
        "unique": each.unique,
        "text": each.text,
        "state": each.state,
        "done": each.done,
        "total": each.total,
        "error": error,
    }
