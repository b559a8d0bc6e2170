"""A live class to its bundles. Classes that need each other share one text; the others point into it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..codec import class_name_of, encode
from ..errors import CannotShip
from .bundle import BUNDLE_LIMIT, Bundle, Content, Part, Where
from .collector import Draft
from .name import imported_modules
from .origin import from_import, is_installed, needs_node, third_party
from .part_order import in_order
from .registry import bundle_of, register, with_requires

T = TypeVar("T")


def capture(cls: type) -> list[Bundle]:
    """The bundles of a class: those it depends on first, its own last.

    Each class object is looked at once; a class defined anew is another. Reading the hash back in this process
    gives this very class. Raises CannotShip, naming the class and what in it cannot travel.
    """
    if not isinstance(cls, type):
        raise CannotShip(f"{cls!r:.80} is not a class", remedy="store an instance of a dataclass")
    known = bundle_of(cls)
    if known is None:
        for group in _groups(_drafts(cls)):
            _make(group)
        known = bundle_of(cls)
        assert known is not None
    return with_requires(known)


def capture_draft(draft: Draft) -> list[Bundle]:
    """The bundles of a draft that stands for no class of its own: those it depends on first, its own last.

    Its own is not registered, so that loading it here runs it.
    """
    for cls in sorted(draft.needed, key=class_name_of):
        capture(cls)
    own = _checked(draft.cls, Bundle.of(_content(draft.cls, [draft])))
    required = {bundle.hash: bundle for cls in draft.needed for bundle in with_requires(_known(cls))}
    return [*required.values(), own]


def _drafts(cls: type) -> dict[type, Draft]:
    """The class and every class it needs, directly or not, that is not captured yet."""
    drafts: dict[type, Draft] = {}
    todo = [cls]
    while todo:
        one = todo.pop()
        if one in drafts or bundle_of(one):
            continue
        drafts[one] = Draft(one)
        if not is_installed(one.__module__):
            drafts[one].add_class()
            todo += drafts[one].needed
    return drafts


def _groups(drafts: dict[type, Draft]) -> list[list[Draft]]:
    """Classes that need each other together, each group after those it needs."""
    reach = {cls: _reach(cls, drafts) for cls in drafts}
    groups: dict[type, list[type]] = {}
    for cls in drafts:
        groups[cls] = [other for other in drafts if other is cls or (other in reach[cls] and cls in reach[other])]
    done: dict[int, list[Draft]] = {}
    for cls in sorted(drafts, key=lambda one: len(reach[one] | {one})):
        group = sorted((drafts[one] for one in groups[cls]), key=lambda draft: class_name_of(draft.cls))
        done.setdefault(min(id(draft) for draft in group), group)
    return list(done.values())


def _reach(cls: type, drafts: dict[type, Draft]) -> set[type]:
    found: set[type] = set()
    todo = list(drafts[cls].needed)
    while todo:
        one = todo.pop()
        if one in drafts and one not in found:
            found.add(one)
            todo += drafts[one].needed
    return found


def _make(group: list[Draft]) -> None:
    """Register the bundles of one group."""
    with_text = [draft for draft in group if draft.parts]
    if not with_text:
        for draft in group:
            _register(
                draft.cls,
                Content.of_member(class_name_of(draft.cls), _known(draft.owner))
                if draft.owner
                else _installed(draft.cls),
            )
        return
    root = with_text[0].cls
    _register(root, _content(root, group))
    for draft in group:
        if draft.cls is not root:
            _register(draft.cls, Content.of_member(class_name_of(draft.cls), _known(root)))


def _register(cls: type, content: Content) -> Bundle:
    bundle = _checked(cls, Bundle.of(content))
    register(cls, bundle)
    return bundle


def _checked(cls: type, bundle: Bundle) -> Bundle:
    if len(bundle.data) > BUNDLE_LIMIT:
        raise CannotShip(
            f"the class {cls.__name__} with what it uses has {len(bundle.data)} bytes",
            remedy=f"the limit is {BUNDLE_LIMIT}; keep large data in objects, not in constants",
        )
    return bundle


def _known(cls: type) -> Bundle:
    bundle = bundle_of(cls)
    if bundle is None:
        raise CannotShip(
            f"a constant holds an instance of {cls.__name__}, which needs that constant itself",
            remedy="make the instance within a method",
        )
    return bundle


def _installed(cls: type) -> Content:
    """A class that every machine with its package can import."""
    name = class_name_of(cls)
    head = name.partition(".")[0]
    steps = cls.__module__.split(".")
    for count in range(1, len(steps) + 1):
        module = ".".join(steps[:count])
        found: Any = sys.modules.get(module)
        for step in name.split("."):
            found = getattr(found, step, None)
        if found is cls:
            needs, where = _places([module], [])
            return Content(name, imports=(from_import(module, head, head),), needs=needs, where=where)
    raise CannotShip(
        f"the class {cls.__name__} has no source that can be found, nor can it be imported from {cls.__module__}",
        remedy="write it as a class statement in a file, a console cell or python -c",
    )


def _places(modules: Iterable[str], required: Iterable[Bundle]) -> tuple[tuple[str, ...], Where]:
    """`needs` and `where`, by what is imported and what is required."""
    modules, required = list(modules), list(required)
    needs = {module.partition(".")[0] for module in modules if third_party(module)}
    needs.update(name for bundle in required for name in bundle.needs)
    on_node = any(map(needs_node, modules)) or any(bundle.where == "node" for bundle in required)
    return tuple(sorted(needs)), "node" if on_node else "anywhere"


def _content(root: type, group: list[Draft]) -> Content:
    own = {draft.cls for draft in group}
    tables = _merge(group, own)
    required = {cls for draft in group for cls in draft.needed} - own
    bundles = sorted((_known(cls) for cls in required), key=lambda bundle: bundle.hash)
    lines = sorted({line for text in tables.imports.values() for line in text.split("\n")})
    modules = {module for line in lines for module, _ in imported_modules(line)}
    modules |= {module for draft in group for module in draft.inner}
    needs, where = _places(modules, bundles)
    return Content(
        class_name=class_name_of(root),
        imports=tuple(lines),
        constants=tuple(sorted(tables.constants.items())),
        classes=tuple(sorted((name, _known(cls).hash) for name, cls in tables.classes.items())),
        aliases=tuple(sorted(tables.aliases.items())),
        parts=tuple(in_order(tables.parts, group)),
        requires=tuple(bundle.hash for bundle in bundles),
        needs=needs,
        where=where,
    )


@dataclass(slots=True)
class _Tables:
    """What the drafts of a group hold together."""

    who: str
    classes: dict[str, type] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    constants: dict[str, bytes] = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, object] = field(default_factory=dict)

    def put(self, table: dict[str, T], name: str, value: T) -> None:
        if self.kinds.setdefault(name, value) != value:
            raise CannotShip(f"{self.who} use two things named {name}", remedy="give them different names")
        table[name] = value


def _merge(group: list[Draft], own: set[type]) -> _Tables:
    """The tables of all drafts as one; CannotShip when a name means two things."""
    tables = _Tables(" and ".join(draft.cls.__name__ for draft in group))
    for draft in group:
        for name, part in draft.parts.items():
            tables.put(tables.parts, name, part)
        for name, line in draft.imports.items():
            tables.put(tables.imports, name, line)
        for name, target in draft.aliases.items():
            tables.put(tables.aliases, name, target)
        for name, value in draft.constants.items():
            tables.put(tables.constants, name, encode(value, bundle_of=lambda cls: _known(cls).hash))
        for name, cls in draft.classes.items():
            if cls not in own:
                tables.put(tables.classes, name, cls)
            elif name != cls.__name__:
                tables.put(tables.aliases, name, cls.__name__)
    return tables
