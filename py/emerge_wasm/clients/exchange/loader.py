"""Stores the rows of a sheet as objects: of a class that is stored where they go, or plain ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, NamedTuple, cast

from ...codec import encode
from ...errors import EmergeError, Invalid, NotFound
from ...objects import EmergeFile
from ...paths import check_name, child_path, split_path
from ..writes import BATCH, BATCH_BYTES, PackedObject, WriteOperations, store_packed
from .cell import JSONRow
from .kind import ColumnKind
from .sheet import Sheet

NAME = "name"
PLACE = "path"
"""Columns for an object's place: its directory, below the one that is loaded into, and its name."""

IfTaken = Literal["replace", "keep", "both"]
"""What is done where something of the name is: it gets another version, stays as it is, or the new one another name."""

OF_THE_FILESYSTEM = frozenset({"type", "perms", "owner", "group", "uuid", "node", "version", "date"})
PLAIN_FIELDS: Mapping[str, object] = {"id": "", "data": None}


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """What becomes of a column: a field, `name` or `path`; "": it is left out."""

    column: str
    field: str
    kind: ColumnKind


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What becomes of the rows of a sheet.

    `defaults` are the fields that rows lack. `numbered`: objects are named by their number, and a column of the name is
    not needed.
    """

    columns: Sequence[ColumnPlan]
    class_name: str = EmergeFile.__name__
    bundle: str = ""
    type: str = "file"
    defaults: Mapping[str, object] = field(default_factory=lambda: PLAIN_FIELDS)
    required: Sequence[str] = ()
    numbered: bool = False
    taken: IfTaken = "replace"


class NewObject(NamedTuple):
    """An object to be stored, and the place of its row."""

    at: str
    directory: str
    name: str
    state: dict[str, object]


@dataclass(slots=True)
class Loaded:
    """What was done: the paths of objects that were made, and those that got another version, with the one before."""

    made: list[str] = field(default_factory=list)
    replaced: list[tuple[str, int]] = field(default_factory=list)
    kept: int = 0

    @property
    def count(self) -> int:
        return len(self.made) + len(self.replaced)


OnLoaded = Callable[[int], None]
"""Called with how many rows are done."""


def plan_import(sheet: Sheet) -> ImportPlan:
    """Every column becomes a field of its name in plain objects, read as what it seems to be."""
    kinds: dict[str, ColumnKind] = {**sheet.kinds, **({NAME: "text", PLACE: "text"} if sheet.format == "csv" else {})}
    return ImportPlan([ColumnPlan(column, column, kinds[column]) for column in sheet.columns])


def make_objects(sheet: Sheet, plan: ImportPlan, directory: str) -> Iterator[NewObject | Invalid]:
    """Make the objects of the rows of a sheet, or say what is wrong with one.

    Raises:
        Invalid: the plan does not fit the sheet.
    """
    columns = _check_plan(sheet, plan)
    width = len(str(len(sheet.rows)))
    seen = set[tuple[str, str]]()
    for number, (at, row) in enumerate(zip(sheet.places, sheet.rows, strict=True), 1):
        try:
            if at in sheet.faults:
                raise Invalid(sheet.faults[at], remedy="put quotes around cells that have separators in them")
            made = _make(sheet, plan, columns, row, at, directory, str(number).zfill(width))
            if plan.taken == "replace" and (made.directory, made.name) in seen:
                raise Invalid(f"{made.name!r} is there twice", remedy="keep the first, or both, or name them apart")
            seen.add((made.directory, made.name))
            yield made
        except EmergeError as error:
            said = error.message if error.message.startswith(at) else f"{at}: {error.message}"
            yield Invalid(said, remedy=error.remedy)


def _check_plan(sheet: Sheet, plan: ImportPlan) -> dict[str, ColumnPlan]:
    """Return the columns that become something, by their names."""
    columns = {each.column: each for each in plan.columns if each.field}
    fields = [each.field for each in columns.values()]
    if not plan.numbered and NAME not in fields:
        raise Invalid(
            f"there is no column 'name' in the {sheet.format}" if sheet.columns else "there is no column 'name'",
            remedy=f"one of the columns must name the objects: {[*sheet.columns][:10]}",
        )
    for each in columns.values():
        if not is_field(each.field):
            at = next((at for at, row in zip(sheet.places, sheet.rows, strict=True) if each.column in row), "")
            said = f"no field can be called {each.field[:40]!r}"
            raise Invalid(f"{at}: {said}" if at else said, remedy="rename that column, or leave it out")
    if len(set(fields)) < len(fields):
        twice = next(name for name in fields if fields.count(name) > 1)
        raise Invalid(f"two columns become the field {twice!r}", remedy="leave one of them out")
    lacking = [name for name in plan.required if name not in fields and name not in plan.defaults]
    if lacking:
        raise Invalid(f"{plan.class_name} needs {', '.join(lacking)}", remedy="give it a column, or another class")
    return columns


def is_field(name: str) -> bool:
    return name.isidentifier() and not name.startswith("_") and name not in OF_THE_FILESYSTEM


def _make(
    sheet: Sheet, plan: ImportPlan, columns: Mapping[str, ColumnPlan], row: JSONRow, at: str, below: str, number: str
) -> NewObject:
    state: dict[str, object] = dict(plan.defaults)
    place: dict[str, object] = {}
    for column, value in row.items():
        each = columns.get(column)
        if each is None:
            continue
        target, kind = (place if each.field in (NAME, PLACE) else state), each.kind
        if target is place and sheet.format == "csv":
            kind = "text"
        try:
            target[each.field] = sheet.read(kind, value)
        except Invalid as error:
            raise Invalid(f"{column}: {error.message}", remedy=error.remedy) from None
    for name in plan.required:
        if name not in state:
            raise Invalid(f"{plan.class_name} needs {name}", remedy="fill in that cell")
    given = number if plan.numbered and NAME not in place else place.get(NAME)
    if given is None or given == "":
        raise Invalid(f"{at} has no name", remedy="give each row a name of its own")
    inside = split_path("/" + str(place.get(PLACE) or "").strip("/"))
    return NewObject(at, "/".join([below.rstrip("/"), *inside]) or "/", check_name(cast("str", given)), state)


async def store_objects(
    client: WriteOperations,
    objects: Iterable[NewObject],
    plan: ImportPlan,
    loaded: Loaded,
    told: OnLoaded = lambda done: None,
    *,
    noted: bool = False,
    earlier: Mapping[str, int] = MappingProxyType({}),
) -> None:
    """Store objects, batch by batch, each of them in one commit. `loaded` tells what is stored, also when it fails.

    `noted`: each commit's call has a note of the versions before, by path. `earlier` are all notes of an attempt that
    was cut off, with 0 for what it made: that is not stored again, and counts as stored now.
    """
    there: dict[str, dict[str, int]] = {}
    batch: dict[str, PackedObject] = {}
    before: dict[str, int] = {}
    size = 0
    stored = set[str]()
    for done, new in enumerate(objects, 1):
        if new.directory not in there:
            there[new.directory] = _without(await versions_in(client, new.directory), new.directory, earlier)
        names, name = there[new.directory], new.name
        if name in names and plan.taken == "keep":
            loaded.kept += 1
            continue
        if plan.taken == "both":
            name = _free(name, names)
        path = child_path(new.directory, name)
        if path in earlier and path not in stored:
            stored.add(path)
            names.setdefault(name, 0)
            _count(loaded, path, earlier[path])
            continue
        state = encode(new.state)
        if batch and (len(batch) == BATCH or size + len(state) > BATCH_BYTES):
            await _store_batch(client, batch, before, loaded, noted)
            size = 0
            told(done - 1)
        before[path] = names.get(name, 0)
        names.setdefault(name, 0)
        batch[path] = PackedObject(path, state, plan.class_name, plan.bundle, 0, plan.type, "", "", "")
        size += len(state)
    await _store_batch(client, batch, before, loaded, noted)


async def _store_batch(
    client: WriteOperations, batch: dict[str, PackedObject], before: Mapping[str, int], loaded: Loaded, noted: bool
) -> None:
    if batch:
        note = encode({path: before[path] for path in batch}) if noted else b""
        await store_packed(client.within(call_note=note) if noted else client, list(batch.values()))
    for path in batch:
        _count(loaded, path, before[path])
    batch.clear()


def _count(loaded: Loaded, path: str, before: int) -> None:
    if before:
        loaded.replaced.append((path, before))
    else:
        loaded.made.append(path)


def _without(names: dict[str, int], directory: str, earlier: Mapping[str, int]) -> dict[str, int]:
    """Return what was in a directory before an earlier attempt."""
    then = {name: earlier.get(child_path(directory, name), version) for name, version in names.items()}
    return {name: version for name, version in then.items() if version or names[name] == 0}


async def versions_in(client: WriteOperations, directory: str) -> dict[str, int]:
    """Return what is in a directory, by name, with the newest versions; nothing of one that is not there."""
    found: dict[str, int] = {}
    cursor = ""
    try:
        while True:
            page = await client.remote.list(directory, cursor)
            found |= {entry["name"]: entry["version"] for entry in page["entries"]}
            cursor = page["cursor"]
            if not cursor:
                return found
    except NotFound:
        return found


def _free(name: str, names: Mapping[str, int]) -> str:
    number, found = 2, name
    while found in names:
        found = f"{name} {number}"
        number += 1
    return found
