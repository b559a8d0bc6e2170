"""Three-way merge of the fields that two writers changed, against the version that both started from.

A field changed on one side only is taken from there. One changed on both is merged by the rule that its class names
(`field(metadata={"merge": …})`): "sum", "union", "last" (mine), or a function of (base, theirs, mine), which runs in
the sandbox. Without a rule it is a conflict, even when both values are equal: two who increment 5 mean 7.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...built_in import MergeRule, merge_rules_of
from ...bundles import merge_rules, parse, takes_long
from ...bundles.source_tree import look_beside
from ...codec import decode, encode, shared_parts
from ...context import Context, asker
from ...errors import Conflict, Unavailable
from ..core import Core
from ..execution import EXECUTION
from ..layout.place import Place
from ..layout.record import Entry, VersionRecord, version_key
from ..runner import MERGE, RunCall
from ..tree.load import load_state
from .read import load_bundles

Edit = Callable[[Entry, bytes | None], tuple[Entry, bytes]]
"""Maps the current (or a fresh) entry and its state to the entry with its new class and so on, and the new state."""

_ABSENT = object()

Sides = tuple[object, object, object]
"""Base, theirs, mine."""

_COLLECTIONS = (list, set, frozenset, tuple)
_CLASS = ("type", "class_name", "bundle")


async def merge(
    core: Core, context: Context, place: Place, old: Entry, version: int, edit: Edit
) -> tuple[Entry, Entry, bytes]:
    """Merge an edit of an older version; return that version's entry, the merged entry and the merged state.

    Raises:
        Conflict: the two sides cannot be merged; it has base, theirs and mine.
    """
    raw = (await core.store.get([("versions", version_key(old.uuid, version))]))[0]
    theirs = await load_state(core, old, place.path)
    if raw is None:
        raise conflict(core, place, old, version, theirs, edit(old, theirs)[1], None, [])
    base = VersionRecord.unpack(raw).entry
    base_state = await load_state(core, base, place.path)
    entry, mine = edit(base, base_state)
    of_class = _pick(*([str(getattr(side, name)) for name in _CLASS] for side in (base, old, entry)))
    fields, overlapping = merge_fields(decode(base_state), decode(theirs), decode(mine))
    if of_class is None:
        raise conflict(core, place, old, version, theirs, mine, base_state, ["class"])
    type, class_name, bundle = of_class
    merged = old._replace(type=type, class_name=class_name, bundle=bundle)
    if overlapping:
        rules = await _rules(core, merged)
        apart = [name for name in overlapping if name not in rules]
        if apart:
            raise conflict(core, place, old, version, theirs, mine, base_state, apart)
        for name, sides in overlapping.items():
            fields[name] = await _by_rule(core, context, place, merged, theirs, name, rules[name], sides)
    return base, merged, encode(fields)


def merge_fields(
    base: dict[str, object], theirs: dict[str, object], mine: dict[str, object]
) -> tuple[dict[str, object], dict[str, Sides]]:
    """Return the merged fields, in the order of theirs, and (base, theirs, mine) of those that both sides changed."""
    merged: dict[str, object] = {}
    ours: list[str] = []  # what mine changed
    overlapping: dict[str, Sides] = {}
    for name in {**theirs, **mine}:
        was, there, here = (side.get(name, _ABSENT) for side in (base, theirs, mine))
        if not _same(was, there) and not _same(was, here):
            overlapping[name] = (was, there, here)
        value = there if _same(was, here) else here
        if value is not _ABSENT:
            merged[name] = value
            ours += [name] if value is here and value is not there else []
    _keep_together(merged, theirs, mine, ours)
    return merged, overlapping


def _keep_together(
    merged: dict[str, object], theirs: dict[str, object], mine: dict[str, object], ours: list[str]
) -> None:
    """Take from mine, too, the fields that are the same on both sides and share parts with those that mine changed."""
    parts = set().union(*(shared_parts(mine[name]) for name in ours))
    for name in mine.keys() & theirs.keys() if parts else ():
        if name not in ours and not parts.isdisjoint(shared_parts(mine[name])) and _same(theirs[name], mine[name]):
            merged[name] = mine[name]


def conflict(
    core: Core,
    place: Place,
    old: Entry,
    version: int,
    theirs: bytes,
    mine: bytes,
    base: bytes | None,
    fields: list[str],
) -> Conflict:
    """Make the error of two edits that cannot be merged, with all that is needed to resolve it."""
    return Conflict(
        f"{place.path} is at version {old.version}; this was made from version {version}, "
        + (f"and both changed: {', '.join(fields)}" if fields else "which is kept no more"),
        path=place.path,
        remedy="look at base, theirs and mine, and store again from the newest",
        base=base,
        theirs=theirs,
        mine=mine,
        fields=fields,
        pointer=old.wire(place.directory, core.node),
    )


def _pick(base: list[str], theirs: list[str], mine: list[str]) -> list[str] | None:
    """Return the side that changed, or the value that both have; None when they differ."""
    if mine in (base, theirs):
        return theirs
    return mine if base == theirs else None


def _same(one: object, other: object) -> bool:
    if one is _ABSENT or other is _ABSENT:
        return one is other
    return one is other or encode(one) == encode(other)


async def _rules(core: Core, entry: Entry) -> Mapping[str, str | MergeRule]:
    bundle = entry.bundle
    if not bundle:
        return merge_rules_of(entry.class_name)
    found = await load_bundles(core, bundle)
    if bundle not in found:
        return {}
    parsed = parse(found[bundle], bundle)
    if takes_long(parsed, found):
        return await look_beside(merge_rules, parsed, found.get)
    return merge_rules(parsed, found.get)


async def _by_rule(
    core: Core,
    context: Context,
    place: Place,
    entry: Entry,
    state: bytes,
    name: str,
    rule: str | MergeRule,
    sides: Sides,
) -> object:
    base, theirs, mine = (None if side is _ABSENT else side for side in sides)
    built_in = _RULES.get(rule) if isinstance(rule, str) else rule
    if built_in is not None:
        try:
            return built_in(base, theirs, mine)
        except TypeError:
            kinds = ", ".join(type(side).__name__ for side in (base, theirs, mine))
            raise Conflict(f"{place.path}.{name} cannot be merged by {rule}: {kinds}", path=place.path) from None
    execution = EXECUTION.of(core)
    if execution.runner is None:
        raise Unavailable(f"{name} is merged by code of its class, and nothing runs code here", path=place.path)
    pointer = entry.wire(place.directory, core.node)
    bundles = await load_bundles(core, entry.bundle, state)
    call = RunCall(
        place.path,
        pointer,
        state,
        bundles,
        MERGE + name,
        [base, theirs, mine],
        {},
        execution.timeout,
        asker(context),
        True,
    )
    return (await execution.runner.run(call)).result


def _sum(base: Any, theirs: Any, mine: Any) -> object:
    return theirs + mine if base is None else theirs + (mine - base)


def _union(base: Any, theirs: object, mine: object) -> object:
    """Join what either side added, less what either removed, in the order of theirs; a key changed by both is mine."""
    if isinstance(theirs, dict) and isinstance(mine, dict):
        before = base or {}
        kept = {key: value for key, value in theirs.items() if key in mine or key not in before}
        return kept | {
            key: value
            for key, value in mine.items()
            if key not in before or (key in theirs and not _same(value, before[key]))
        }
    if not (isinstance(theirs, _COLLECTIONS) and isinstance(mine, _COLLECTIONS)):
        raise TypeError
    was, here = ({encode(item) for item in side or ()} for side in (base, mine))
    there = {encode(item) for item in theirs}
    items = [item for item in theirs if (code := encode(item)) in here or code not in was]
    items += [item for item in mine if (code := encode(item)) not in was and code not in there]
    return type(theirs)(items)


_RULES: dict[str, Callable[[object, object, object], object]] = {
    "sum": _sum,
    "union": _union,
    "last": lambda base, theirs, mine: mine,
}
