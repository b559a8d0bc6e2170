"""Requests about new objects: of which classes, with which fields, and making one as state. No shipped code is run."""

from __future__ import annotations

from ...bundles.default import default_of, plain_defaults, required_fields
from ...clients.remote import ending
from ...codec import bundles_in, encode
from ...errors import Conflict, Invalid
from ...objects import BLOB, DIRECTORY, METADATA, EmergeFile
from ...operations import Wire
from ...results import PointerRow
from ..places.place import TabPlace
from ..protocol.argument import BlankArgs, ClassesArgs
from ..protocol.step import CreateStep
from ..protocol.view import BlankObject, ClassChoice, ClassList
from ..tab import Tab
from .class_view import describe_class
from .edit import read_fields
from .view import make_fields

HERE = 2000  # entries of the directory that are looked at
ANYWHERE = 20_000  # and of the whole filesystem
PLAIN = {"id": "", "data": None}
"""What an object without a class of its own has."""


async def classes(tab: Tab, args: ClassesArgs) -> ClassList:
    """Tell the classes of stored objects, those of a directory first, each as its newest object has it."""
    place = tab.find(args)
    found: dict[str, ClassChoice] = {}
    dates: dict[str, str] = {}
    seen, path = 0, args["path"]
    inside = f"{path.rstrip('/')}/"
    steps = [(path, HERE)] if args["inside"] else [("/", ANYWHERE)] if path == "/" else [(path, HERE), ("/", ANYWHERE)]
    for top, most in steps:
        seen = 0
        async with ending(place.reader.remote.tree(top)) as rows:
            async for row in rows:
                seen += 1
                if top == "/" and len(steps) > 1 and f"{row['path']}/".startswith(inside):
                    continue
                _count(found, dates, row, row["path"] == path)
                if seen == most:
                    break
    listed = sorted(found.values(), key=lambda each: (-each["here"], each["class_name"].lower()))
    return {"classes": listed, "more": seen == ANYWHERE}


def _count(found: dict[str, ClassChoice], dates: dict[str, str], row: PointerRow, here: bool) -> None:
    if row["type"] in (DIRECTORY, BLOB) or not row["bundle"]:
        return
    name = row["class_name"]
    each = found.setdefault(
        name, {"class_name": name, "bundle": row["bundle"], "type": row["type"], "here": 0, "count": 0}
    )
    each["count"] += 1
    each["here"] += here
    if row["date"] >= dates.get(name, ""):
        dates[name], each["bundle"], each["type"] = row["date"], row["bundle"], row["type"]


async def blank(tab: Tab, args: BlankArgs) -> BlankObject:
    """Describe a new object of a class: its fields with their defaults, read off the source."""
    described = await describe_class(tab.find(args), args["bundle"])
    fields = [field for field in described.fields if field["name"] not in METADATA]
    required = required_fields(fields)
    made = {field["name"]: field["default"] for field in fields if default_of(field).kind == "made"}
    views = make_fields(described, PLAIN)
    forms = described.form_views({view["form"] for view in views if view["form"]})
    return {"doc": described.doc, "fields": views, "forms": forms, "required": required, "made": made}


async def create(place: TabPlace, step: CreateStep, context: Wire) -> PointerRow:
    """Store a new object, of the defaults of its class and the fields that are given.

    Raises:
        Conflict: something is there.
        Invalid: a text does not fit its field, or a field lacks one.
    """
    path, bundle = step["path"], step["bundle"]
    if await place.has(path):
        raise Conflict(f"{path} is there already", path=path, remedy="choose another name")
    described = await describe_class(place, bundle)
    fields = [each for each in described.fields if each["name"] not in METADATA]
    given = read_fields(described, step["fields"], step["kinds"])
    for name in given:
        if not name.isidentifier() or name.startswith("_") or name in METADATA:
            raise Invalid(f"no field can be called {name[:40]!r}", path=path, remedy="rename it")
    lacking = [name for name in required_fields(fields) if name not in given]
    if lacking:
        raise Invalid(f"{lacking[0]} is required", path=path, remedy="fill it in", field=lacking[0])
    state = encode({**PLAIN, **plain_defaults(fields), **given})
    inner = {hash: data for hash, data in described.forms.bundles.items() if hash in bundles_in(state)}
    asked = [path, state, step["class_name"] or EmergeFile.__name__, bundle, 0, step["type"] or "file", "", inner]
    pointer: PointerRow = await place.call("store", asked, context)
    return pointer
