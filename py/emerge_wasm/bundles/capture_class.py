"""Capture a live class as bundles. Classes that need each other share one text, into which their bundles point."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from ..codec import class_name_of, encode
from ..errors import CannotShip
from .bundle import BUNDLE_LIMIT, Bundle, Content, Placement, SourcePart
from .collector import Collector
from .home import module_of
from .late_annotation import EVALUATED_LATE, with_late_annotations
from .live_part import complete
from .name import modules_of_line
from .needed_python import text_grammar
from .origin import from_import, is_installed, needs_node, third_party
from .part_order import in_order
from .provenance import Foreign
from .registry import bundle_of, one_at_a_time, register, with_requires
from .watch import Watch, current_bundle, watch, watched

T = TypeVar("T")


@one_at_a_time
def capture(cls: type) -> list[Bundle]:
    """Capture a class: the bundles that it depends on, then its own.

    Each class object is looked at once, and again when something that it uses was changed or defined anew; a class
    defined anew is another. Loading the hash in this process gives this very class.

    Raises:
        CannotShip: something in the class cannot travel; the error names it.
    """
    if not isinstance(cls, type):
        raise CannotShip(f"{cls!r:.80} is not a class", remedy="store an instance of a dataclass")
    known = current_bundle(cls)
    if known is None:
        for group in _groups(_collect(cls)):
            _make(group)
        known = bundle_of(cls)
        assert known is not None
    return with_requires(known)


def capture_collected(collector: Collector) -> list[Bundle]:
    """Make the bundles of what was collected for no class of its own: those it depends on, then its own.

    Its own is not registered, so that loading it here runs it.
    """
    for cls in sorted(collector.needed, key=class_name_of):
        capture(cls)
    own = _checked(collector.cls, Bundle.of(_content(collector, [collector])))
    required = {bundle.hash: bundle for cls in collector.needed for bundle in with_requires(_known(cls))}
    return [*required.values(), own]


def _collect(cls: type) -> dict[type, Collector]:
    """Collect the class and every class it needs, directly or not, that is not captured yet."""
    collectors: dict[type, Collector] = {}
    sources: dict[tuple[object, ...], Foreign | None] = {}
    todo = [Collector(cls, sources=sources)]
    while todo:
        one = todo.pop()
        if one.cls in collectors or current_bundle(one.cls):
            continue
        collectors[one.cls] = one
        if not _importable(one.cls):
            one.add_class()
            todo += [Collector(needed, near=one.nears.get(needed), sources=sources) for needed in one.needed]
    return collectors


def _importable(cls: type) -> bool:
    """Tell whether every machine can import a class; not one that `make_dataclass` says is of the module `types`."""
    return is_installed(cls.__module__) and (cls.__module__ != "types" or hasattr(types, cls.__name__))


def _groups(collectors: dict[type, Collector]) -> list[list[Collector]]:
    """Group the classes that need each other, each group after those it needs."""
    reach = {cls: _reach(cls, collectors) for cls in collectors}
    groups: dict[type, list[type]] = {}
    for cls in collectors:
        groups[cls] = [other for other in collectors if other is cls or (other in reach[cls] and cls in reach[other])]
    done: dict[int, list[Collector]] = {}
    for cls in sorted(collectors, key=lambda one: len(reach[one] | {one})):
        group = sorted((collectors[one] for one in groups[cls]), key=_name_of)
        done.setdefault(min(id(collector) for collector in group), group)
    return list(done.values())


def _reach(cls: type, collectors: dict[type, Collector]) -> set[type]:
    found: set[type] = set()
    todo = list(collectors[cls].needed)
    while todo:
        one = todo.pop()
        if one in collectors and one not in found:
            found.add(one)
            todo += collectors[one].needed
    return found


def _name_of(collector: Collector) -> str:
    return collector.class_name or class_name_of(collector.cls)


def _module_of(collector: Collector) -> str:
    return collector.module or module_of(collector.cls)


def _make(group: list[Collector]) -> None:
    """Register the bundles of one group, and what they were made from."""
    _register_group(group)
    seen = Watch()
    for collector in group:
        seen.include(collector.watch)
        for needed in filter(None, map(watched, collector.needed)):
            seen.include(needed)
    for collector in group:
        watch(collector.cls, seen)


def _register_group(group: list[Collector]) -> None:
    with_text = [collector for collector in group if collector.parts]
    if not with_text:
        for collector in group:
            _register(
                collector.cls,
                Content.of_member(_name_of(collector), _known(collector.owner))
                if collector.owner
                else _installed(collector.cls),
            )
        return
    root = with_text[0]
    _register(root.cls, _content(root, group))
    for collector in group:
        if collector is not root:
            _register(collector.cls, Content.of_member(_name_of(collector), _known(root.cls)))


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
    """Make the content for a class that every machine with its package can import."""
    name = class_name_of(cls)
    head = name.partition(".")[0]
    steps = cls.__module__.split(".")
    for count in range(1, len(steps) + 1):
        module = ".".join(steps[:count])
        found: object = sys.modules.get(module)
        for step in name.split("."):
            found = getattr(found, step, None)
        if found is cls:
            needs, where = _places([module], [])
            return Content(name, imports=(from_import(module, head, head),), needs=needs, where=where)
    raise CannotShip(
        f"the class {cls.__name__} has no source that can be found, nor can it be imported from {cls.__module__}",
        remedy="write it as a class statement in a file, a console cell or python -c",
    )


def _places(modules: Iterable[str], required: Iterable[Bundle]) -> tuple[tuple[str, ...], Placement]:
    """Return `needs` and `where`, from the imported modules and the required bundles."""
    modules, required = list(modules), list(required)
    needs = {module.partition(".")[0] for module in modules if third_party(module)}
    needs.update(name for bundle in required for name in bundle.needs)
    on_node = any(map(needs_node, modules)) or any(bundle.where == "node" for bundle in required)
    return tuple(sorted(needs)), "node" if on_node else "anywhere"


def _content(root: Collector, group: list[Collector]) -> Content:
    own = {collector.cls: _name_of(collector) for collector in group}
    for collector in group:
        complete(collector, set(own))
    tables = _merge(group, own)
    required = {cls for collector in group for cls in collector.needed} - own.keys()
    turns = {cls: turn for collector in group for turn, cls in enumerate(collector.in_turn)}
    bundles = [_known(cls) for cls in sorted(required, key=lambda cls: (turns.get(cls, -1), _known(cls).hash))]
    twice = {bundle.class_name for number, bundle in enumerate(bundles) if bundle in bundles[:number]}
    if twice:
        raise root.refusal(f"it uses two {min(twice)}, of which one was defined anew", "define what uses it again")
    lines = sorted({line for text in tables.imports.values() for line in text.split("\n")})
    modules = {module for line in lines for module in modules_of_line(line)}
    modules |= {module for collector in group for module in collector.inner}
    needs, where = _places(modules, bundles)
    module = _module_of(root)
    elsewhere = {_name_of(other): found for other in group if (found := _module_of(other)) != module}
    parts = [
        replace(part, module=elsewhere.get(part.name, "")) if part.kind == "class" else part
        for part in in_order(tables.parts, group)
    ]
    if EVALUATED_LATE:
        parts = list(
            with_late_annotations(parts, {*tables.imports, *tables.constants, *tables.classes}, tables.aliases)
        )
    return Content(
        class_name=_name_of(root),
        imports=tuple(lines),
        constants=tuple(sorted(tables.constants.items())),
        classes=tuple(sorted((name, _known(cls).hash) for name, cls in tables.classes.items())),
        aliases=tuple(sorted(tables.aliases.items())),
        parts=tuple(parts),
        requires=tuple(bundle.hash for bundle in bundles),
        needs=needs,
        where=where,
        module=module,
        grammar=text_grammar([part.text for part in tables.parts.values()]),
    )


@dataclass(slots=True)
class _Tables:
    """The tables of all collectors of a group."""

    who: str
    classes: dict[str, type] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    constants: dict[str, bytes] = field(default_factory=dict)
    parts: dict[str, SourcePart] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, object] = field(default_factory=dict)

    def put(self, table: dict[str, T], name: str, value: T) -> None:
        if self.kinds.setdefault(name, value) != value:
            raise CannotShip(f"{self.who} use two things named {name}", remedy="give them different names")
        table[name] = value


def _merge(group: list[Collector], own: dict[type, str]) -> _Tables:
    """Merge the tables of all collectors. Raises CannotShip when a name means two things."""
    tables = _Tables(" and ".join(collector.cls.__name__ for collector in group))
    for collector in group:
        for name, part in collector.parts.items():
            tables.put(tables.parts, name, part)
        for name, line in collector.imports.items():
            tables.put(tables.imports, name, line)
        for name, target in collector.aliases.items():
            tables.put(tables.aliases, name, target)
        for name, value in collector.constants.items():
            tables.put(tables.constants, name, encode(value, bundle_of=lambda cls: _known(cls).hash))
        for name, cls in collector.classes.items():
            if cls not in own:
                tables.put(tables.classes, name, cls)
            elif name != own[cls]:
                tables.put(tables.aliases, name, own[cls])
    return tables
