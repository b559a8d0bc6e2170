"""Read one class statement for what it makes of its instances' attributes. Nothing is run or imported."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Self

from ..bundles.bundle import Bundle, Find, read_bundle
from ..bundles.description import lineage
from ..bundles.source_tree import parsed
from ..codec import Record, decode

_DATACLASS = frozenset({"dataclasses.dataclass", "emerge_wasm.dataclass"})
_DECORATORS = _DATACLASS | {"functools.total_ordering", "typing.final", "enum.unique"}
_METHODS = frozenset(
    {"staticmethod", "classmethod", "functools.cached_property", "abc.abstractmethod", "typing.override"}
)
_FACTORIES: dict[str, Callable[[], object]] = {
    kind.__name__: kind for kind in (list, dict, set, tuple, frozenset, str, int, float, bool, bytes)
}
_VALUES = frozenset(
    {f"datetime.{name}" for name in ("date", "datetime", "time", "timedelta")} | {"decimal.Decimal", "uuid.UUID"}
)
"""Classes whose instances are no descriptors."""
_OPAQUE = frozenset({"__getattribute__", "__new__", "__init_subclass__", "__class__", "__dict__", "__slots__"})
_HARMLESS = frozenset({"__doc__", "__match_args__", "__hash__", "__test__"})
_SCALARS = frozenset({type(None), bool, int, float, str, bytes})
ENUMS = frozenset({"enum.Enum", "enum.IntEnum", "enum.StrEnum", "enum.ReprEnum"})
FLAGS = frozenset({"enum.Flag", "enum.IntFlag"})
_ENUMS = ENUMS | FLAGS


@dataclass(frozen=True, slots=True)
class Attribute:
    """What a class has under a name. `computed`: the class decides, whatever the state holds.

    Otherwise `make` gives the value where the state has none (None: only the class can tell).
    """

    computed: bool = False
    make: Callable[[], object] | None = None

    @classmethod
    def default(cls, make: Callable[[], object]) -> Self:
        return cls(make=make)

    def after(self, base: Attribute | None) -> Attribute:
        """Return the attribute when a base has the name too: which of them counts is left to the class."""
        return self if base is None else Attribute(self.computed or base.computed)


COMPUTED, OTHER = Attribute(computed=True), Attribute()


@dataclass(slots=True)
class Statement:
    """What a class statement says; see `shape.Shape`. `bases`: full names; `natural`: it defines no equality."""

    names: dict[str, Attribute] = field(default_factory=dict)
    bases: list[str] = field(default_factory=list)
    opaque: str = ""
    dynamic: bool = False
    closed: bool = False
    truth: bool = True
    natural: bool = True


@dataclass(frozen=True, slots=True)
class NameResolver:
    """Resolves the names in a bundle's text."""

    bundle: Bundle
    find: Find

    def full(self, node: ast.expr) -> str:
        """Return `dataclasses.field` for an imported thing, `list` for a builtin one, `.Item` for one of the bundle's
        own; "" for what is no name."""
        node = node.value if isinstance(node, ast.Subscript) else node
        if isinstance(node, ast.Attribute):
            owner = self.full(node.value)
            return f"{owner}.{node.attr}" if owner else ""
        if not isinstance(node, ast.Name):
            return ""
        content, name = self.bundle.content, node.id
        own = {*dict(content.classes), *dict(content.aliases), *dict(content.constants)}
        if name in own or any(part.name == name for part in content.parts):
            return f".{name}"
        return _imported(content.imports).get(name, name)

    def is_there(self, full: str) -> bool:
        """Tell whether a class of the bundle's own can be read."""
        return bool(self._classes(full))

    def _classes(self, full: str) -> list[tuple[Bundle, ast.ClassDef]]:
        name, content = full.removeprefix("."), self.bundle.content
        hash = dict(content.classes).get(name)
        if hash is None:
            return lineage(self.bundle, self.find, dict(content.aliases).get(name, name))
        return lineage(read_bundle(hash, self.find), self.find) if self.find(hash) is not None else []

    def is_member(self, node: ast.expr) -> bool:
        """Tell whether a node is a member of an Enum: `Status.OPEN`."""
        full = self.full(node.value) if isinstance(node, ast.Attribute) else ""
        rows = self._classes(full) if full.startswith(".") else []
        return bool(rows) and any(NameResolver(rows[0][0], self.find).full(base) in _ENUMS for base in rows[0][1].bases)

    def constant(self, name: str) -> Attribute | None:
        """Return the attribute that a constant of that name makes, None when there is no such constant."""
        data = dict(self.bundle.content.constants).get(name)
        if data is None:
            return None
        value = decode(data)
        if type(value) is Record:
            return COMPUTED
        return Attribute.default(lambda: value) if type(value) in _SCALARS else OTHER


@lru_cache(maxsize=256)
def _imported(lines: tuple[str, ...]) -> dict[str, str]:
    """Return the names that import lines bind, with the full name of each."""
    found: dict[str, str] = {}
    for node in ast.walk(parsed("\n".join(lines))):
        if isinstance(node, ast.Import):
            found |= {item.asname or item.name.partition(".")[0]: item.name for item in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {item.asname or item.name: f"{node.module}.{item.name}" for item in node.names}
    return found


def read_class(node: ast.ClassDef, names: NameResolver) -> Statement:
    """Read one class statement."""
    found = Statement(bases=[names.full(base) for base in node.bases])
    marks = [names.full(mark.func if isinstance(mark, ast.Call) else mark) for mark in node.decorator_list]
    if node.keywords or not _DECORATORS.issuperset(marks):
        found.opaque = f"{node.name} is made by more than its text"
    found.closed = any(
        isinstance(mark, ast.Call) and any(item.arg == "slots" for item in mark.keywords)
        for mark in node.decorator_list
    )
    is_dataclass = not _DATACLASS.isdisjoint(marks)
    for item in node.body:
        if not _add(found, item, names, is_dataclass):
            found.opaque = found.opaque or f"line {item.lineno} of {node.name} is not plain"
    return found


def _add(found: Statement, item: ast.stmt, names: NameResolver, is_dataclass: bool) -> bool:
    """Add one statement of the body; return whether it is of a known kind."""
    match item:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return _add_function(found, item, names)
        case ast.AnnAssign(target=ast.Name(id=name)):
            kind = _field(item, names, is_dataclass)
            if kind is not None:
                found.names[name] = kind
            return not name.startswith("__")
        case ast.Assign():
            return all(_add_assigned(found, target, item.value, names) for target in item.targets)
        case ast.ClassDef():
            found.names[item.name] = COMPUTED
            return True
    return False


def _add_assigned(found: Statement, target: ast.expr, value: ast.expr, names: NameResolver) -> bool:
    if not isinstance(target, ast.Name) or (target.id.startswith("__") and target.id not in _HARMLESS):
        return False
    if target.id in _HARMLESS:
        found.natural &= target.id != "__hash__"
    else:
        found.names[target.id] = _value(value, names)
    return True


def _add_function(found: Statement, item: ast.FunctionDef | ast.AsyncFunctionDef, names: NameResolver) -> bool:
    name = item.name
    if name in ("__bool__", "__len__"):
        found.truth = False
    elif name in ("__eq__", "__ne__", "__hash__"):
        found.natural = False
    elif name == "__getattr__":
        found.dynamic = True
    elif not (name.startswith("__") and name.endswith("__")):
        marks = [names.full(mark) for mark in item.decorator_list]
        found.names[name] = OTHER if _METHODS.issuperset(marks) and name not in found.names else COMPUTED
    return name not in _OPAQUE


def _field(item: ast.AnnAssign, names: NameResolver, is_dataclass: bool) -> Attribute | None:
    """Return the attribute of an annotated name; None for one that only has an annotation."""
    annotation = ast.unparse(item.annotation)
    if any(word in annotation for word in ("ClassVar", "InitVar", "KW_ONLY")):
        is_dataclass = False
        if "ClassVar" not in annotation:
            return OTHER
    if item.value is None:
        return Attribute.default(lambda: None) if is_dataclass else None
    if isinstance(item.value, ast.Call) and names.full(item.value.func) == "dataclasses.field":
        return _declared(item.value, names) if is_dataclass else OTHER
    return _value(item.value, names)


def _declared(call: ast.Call, names: NameResolver) -> Attribute:
    """Return the attribute with the default that `field(…)` states."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if None in given or call.args:
        return COMPUTED
    if "default" in given:
        return _value(given["default"], names)
    if "default_factory" in given:
        return Attribute(make=_FACTORIES.get(names.full(given["default_factory"])))
    return Attribute.default(lambda: None)


def _value(node: ast.expr, names: NameResolver) -> Attribute:
    """Return the attribute of an assigned value: known, unknown but plain, or perhaps a descriptor."""
    try:
        value = ast.literal_eval(node)
        return Attribute.default(lambda: value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        pass
    if isinstance(node, ast.Name):
        return names.constant(node.id) or COMPUTED
    if isinstance(node, ast.Call):
        full = names.full(node.func)
        return OTHER if full in _VALUES or full in _FACTORIES else COMPUTED
    plain = isinstance(node, ast.List | ast.Tuple | ast.Dict | ast.Set | ast.JoinedStr | ast.Lambda)
    return OTHER if plain or names.is_member(node) or _is_sum(node) else COMPUTED


def _is_sum(node: ast.expr) -> bool:
    """Tell whether a node is arithmetic of literals."""
    kinds = (ast.Constant, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop)
    return all(isinstance(child, kinds) for child in ast.walk(node))
