"""A page of objects as it goes from the page's kernel to the cells'.

What the pointers of many objects have in common, such as their directory, class and owner, goes once; of each object
goes the rest, without the names of its fields. That is two thirds of the bytes, and the cells' kernel reads it in half
the time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import cast

from ...results import ObjectPage, ObjectRow, PointerRow

COMMON = ("path", "type", "class_name", "bundle", "perms", "owner", "group", "node")
"""What many pointers have in common."""

EACH = ("uuid", "name", "size", "version", "revision", "date")
"""What each pointer has for itself."""

CommonFields = tuple[str, ...]

SentRow = tuple[int, str, str, int, int, str, str, bytes]
"""The place of what is common, the fields of EACH, and the state."""

_FIELDS = len(COMMON) + len(EACH)
_common_of: Callable[[PointerRow], CommonFields] = itemgetter(*COMMON)
_each_of: Callable[[PointerRow], tuple[str, str, int, int, str, str]] = itemgetter(*EACH)


def write_page(page: Mapping[str, object]) -> object:
    """Return a page as `read_page` takes it: what is common, the objects, the rest; one whose pointers have more fields
    than these as it is."""
    places: dict[CommonFields, int] = {}
    written: list[SentRow] = []
    for row in cast("list[ObjectRow]", page["objects"]):
        pointer = row["pointer"]
        if len(pointer) != _FIELDS:
            return page
        place = places.setdefault(_common_of(pointer), len(places))
        uuid, name, size, version, revision, date = _each_of(pointer)
        written.append((place, uuid, name, size, version, revision, date, row["state"]))
    return [list(places), written, {name: value for name, value in page.items() if name != "objects"}]


def read_page(found: object) -> ObjectPage:
    """Return the page that `write_page` wrote."""
    if type(found) is dict:
        return cast("ObjectPage", found)
    common, written, rest = cast("tuple[list[CommonFields], list[SentRow], dict[str, object]]", found)
    rows: list[ObjectRow] = []
    for place, uuid, name, size, version, revision, date, state in written:
        path, type_, class_name, bundle, perms, owner, group, node = common[place]
        pointer: PointerRow = {
            "uuid": uuid,
            "name": name,
            "path": path,
            "type": type_,
            "class_name": class_name,
            "bundle": bundle,
            "perms": perms,
            "owner": owner,
            "group": group,
            "size": size,
            "version": version,
            "revision": revision,
            "date": date,
            "node": node,
        }
        rows.append({"pointer": pointer, "state": state})
    return cast("ObjectPage", {"objects": rows, **rest})
