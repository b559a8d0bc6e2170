"""Tell from annotations what values the fields of a class are meant to have. Nothing is run.

A form describes one annotation; forms name each other by keys, since classes may lead back to themselves.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from .bundle import Bundle, Content, Find, read_bundle
from .description import class_node, lineage
from .source_tree import parsed

FormKind = Literal["any", "leaf", "choice", "union", "list", "tuple", "set", "frozenset", "deque", "dict", "record"]


@dataclass(slots=True)
class FormField:
    """A field of a record: `default` is the text of what it has without being given, "" if it must be given."""

    name: str
    form: str
    default: str


@dataclass(slots=True)
class FieldForm:
    """What an annotation allows.

    `label` is the annotation; of a leaf, `name` is the type. `of` are the keys of the forms within: of the items, of
    key and value, of each position of a tuple (`fixed`), of the members of a union. `choices` are texts of values.
    A record has `name`, `bundle` and `fields`; an enumeration has `name`, `bundle` and `choices`.
    """

    kind: FormKind
    label: str
    of: list[str] = field(default_factory=list)
    fixed: bool = False
    choices: list[str] = field(default_factory=list)
    name: str = ""
    bundle: str = ""
    fields: list[FormField] = field(default_factory=list)


class ClassForms(NamedTuple):
    """The forms of a class: the key of each field's form, all forms by their keys, bundles of classes within classes.

    The latter are not required by the class's own bundle, and come with the first value of such a class.
    """

    fields: dict[str, str]
    forms: dict[str, FieldForm]
    bundles: dict[str, bytes]


class _Scope(NamedTuple):
    """Where names of an annotation are looked up: the text of a bundle, and the class in it."""

    text: Bundle
    inside: str


_LEAVES = frozenset(
    "bool int float str bytes complex date datetime time timedelta Decimal UUID Fraction Reference Path None".split()
)
_LISTS = {"list", "List", "Sequence", "MutableSequence", "Collection", "Iterable"}
_DICTS = {"dict", "Dict", "Mapping", "MutableMapping"}
_HOLDING: dict[str, FormKind] = {
    **dict.fromkeys(_LISTS, "list"),
    **dict.fromkeys(_DICTS, "dict"),
    **dict.fromkeys(("set", "Set", "AbstractSet", "MutableSet"), "set"),
    **dict.fromkeys(("frozenset", "FrozenSet"), "frozenset"),
    **dict.fromkeys(("deque", "Deque"), "deque"),
    **dict.fromkeys(("tuple", "Tuple"), "tuple"),
}
_TRANSPARENT = frozenset({"Annotated", "Final", "Required", "NotRequired", "ReadOnly"})
_ENUMS = frozenset({"Enum", "IntEnum", "StrEnum"})
_FACTORIES = {"list": "[]", "dict": "{}", "set": "set()", "tuple": "()", "frozenset": "frozenset()", "str": "''"}
_CHAIN = 20
"""Names that stand for names that stand for names…"""


def forms_of(bundle: Bundle, find: Find) -> ClassForms:
    """Return the forms of the fields of a bundle's class, inherited ones too."""
    making = _Making(find)
    fields = {row.name: row.form for row in making.fields_of(bundle, bundle.class_name)}
    return ClassForms(fields, making.forms, making.bundles)


class _Making:
    """The forms that were made so far."""

    def __init__(self, find: Find) -> None:
        self.find = find
        self.forms: dict[str, FieldForm] = {}
        self.bundles: dict[str, bytes] = {}

    def fields_of(self, bundle: Bundle, name: str) -> list[FormField]:
        """Return the fields of a class, in the order in which instances have them."""
        found: dict[str, FormField] = {}
        chain = lineage(bundle, self.find, name)
        for text, node in reversed(chain):
            scope = _Scope(text, name if node is chain[0][1] else node.name)
            for item in node.body:
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and _is_field(item):
                    row = FormField(item.target.id, self.form(item.annotation, scope), _default(item.value))
                    found[row.name] = row
        return list(found.values())

    def form(self, node: ast.expr, scope: _Scope, chain: int = 0) -> str:
        """Make the form of an annotation; return its key."""
        label = ast.unparse(node)
        key = f"{scope.text.hash[:12]}:{scope.inside}:{label}"
        if key not in self.forms:
            self.forms[key] = FieldForm("any", label)  # what leads back here finds the key
            made = self._make(node, scope, chain)
            made.label = label
            self.forms[key] = made
        return key

    def _make(self, node: ast.expr, scope: _Scope, chain: int) -> FieldForm:
        match node:
            case ast.Constant(None):
                return FieldForm("leaf", "", name="None")
            case ast.Constant(str() as text):
                return self._quoted(text, scope, chain)
            case ast.BinOp(op=ast.BitOr()):
                return self._union(list(_members(node)), scope, chain)
            case ast.Subscript():
                return self._generic(node, scope, chain)
            case ast.Name() | ast.Attribute():
                return self._named(node, scope, chain)
        return FieldForm("any", "")

    def _quoted(self, text: str, scope: _Scope, chain: int) -> FieldForm:
        try:
            inner = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError):
            return FieldForm("any", "")
        return self._make(inner, scope, chain + 1) if chain < _CHAIN else FieldForm("any", "")

    def _union(self, members: list[ast.expr], scope: _Scope, chain: int) -> FieldForm:
        of = dict.fromkeys(self.form(member, scope, chain) for member in members)
        return FieldForm("union", "", of=list(of))

    def _generic(self, node: ast.Subscript, scope: _Scope, chain: int) -> FieldForm:
        name = _last(node.value)
        given = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
        if name == "Literal":
            return FieldForm("choice", "", choices=[text for each in given if (text := _literal(each))])
        if name == "Optional":
            return self._union([given[0], ast.Constant(None)], scope, chain)
        if name == "Union":
            return self._union(given, scope, chain)
        if name in _TRANSPARENT:
            return self._make(given[0], scope, chain)
        kind = _HOLDING.get(name)
        if kind is None:
            return self._named(node.value, scope, chain)
        if kind == "tuple":
            endless = len(given) == 2 and isinstance(given[1], ast.Constant) and given[1].value is ...
            items = given[:1] if endless else [each for each in given if not isinstance(each, ast.Tuple)]
            return FieldForm(kind, "", of=[self.form(each, scope, chain) for each in items], fixed=not endless)
        return FieldForm(kind, "", of=[self.form(each, scope, chain) for each in given])

    def _named(self, node: ast.expr, scope: _Scope, chain: int) -> FieldForm:
        found = self._class(ast.unparse(node), scope)
        if found is not None:
            return self._of_class(*found)
        alias = _assigned(scope.text, ast.unparse(node))
        if alias is not None and chain < _CHAIN:
            return self._make(alias, _Scope(scope.text, ""), chain + 1)
        name = _last(node)
        if name in _HOLDING:
            return FieldForm(_HOLDING[name], "")
        if name == "NoneType":
            name = "None"
        return FieldForm("leaf", "", name=name) if name in _LEAVES else FieldForm("any", "")

    def _class(self, name: str, scope: _Scope) -> tuple[Bundle, str, str] | None:
        """Find a class by the name that it has in a scope: the bundle with its text, its name there, its hash."""
        steps = scope.inside.split(".") if scope.inside else []
        for depth in range(len(steps), 0, -1):
            inner = ".".join([*steps[:depth], name])
            if class_node(scope.text, inner) is not None:
                return self._member(scope.text, inner)
        content = scope.text.content
        name = dict(content.aliases).get(name, name)
        hash = dict(content.classes).get(name)
        if hash is None:
            return self._member(scope.text, name) if class_node(scope.text, name) is not None else None
        if self.find(hash) is None:
            return None
        bundle = read_bundle(hash, self.find)
        outer = read_bundle(bundle.content.within, self.find) if bundle.content.within else bundle
        return outer, bundle.class_name, hash

    def _member(self, text: Bundle, name: str) -> tuple[Bundle, str, str]:
        """Return a class that a bundle's text has: the bundle's own, or one beside or within it."""
        if name == text.class_name:
            return text, name, text.hash
        member = Bundle.of(Content.of_member(name, text))
        self.bundles[member.hash] = member.data
        return text, name, member.hash

    def _of_class(self, text: Bundle, name: str, hash: str) -> FieldForm:
        chain = lineage(text, self.find, name)
        bases = {_last(base) for _, node in chain for base in node.bases}
        if bases & _ENUMS:
            members = dict.fromkeys(member for _, node in reversed(chain) for member in _enum_members(node))
            return FieldForm("choice", "", choices=[f"{name}.{member}" for member in members], name=name, bundle=hash)
        if bases & {"EmergeObject", "EmergeFile"}:
            return FieldForm("leaf", "", name="Reference")
        decorated = any(_last(mark) == "dataclass" for _, node in chain for mark in node.decorator_list)
        if not decorated and "NamedTuple" not in bases:
            return FieldForm("any", "")
        key = f"record:{hash}:{name}"
        if key not in self.forms:
            self.forms[key] = made = FieldForm("record", name, name=name, bundle=hash)
            made.fields += self.fields_of(text, name)  # what is within may lead back to this list
        record = self.forms[key]
        return FieldForm("record", "", name=name, bundle=hash, fields=record.fields)


def _members(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield from _members(node.left)
        yield from _members(node.right)
    else:
        yield node


def _last(node: ast.expr) -> str:
    """Return the last name of `typing.Optional`, `dataclass(frozen=True)` or `Generic[T]`."""
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Subscript):
        node = node.value
    return ast.unparse(node).rpartition(".")[2]


def _literal(node: ast.expr) -> str:
    """Return the text of a value of Literal[…], or of an enumeration's member; "" if it is neither."""
    if isinstance(node, ast.Attribute | ast.Constant | ast.UnaryOp):
        return ast.unparse(node)
    return ""


def _is_field(item: ast.AnnAssign) -> bool:
    assert isinstance(item.target, ast.Name)
    name = _last(item.annotation)
    return name not in ("ClassVar", "InitVar", "KW_ONLY") and "ClassVar" not in ast.unparse(item.annotation)


def _enum_members(node: ast.ClassDef) -> Iterator[str]:
    for item in node.body:
        targets = item.targets if isinstance(item, ast.Assign) else []
        for target in targets:
            for each in target.elts if isinstance(target, ast.Tuple) else [target]:
                if isinstance(each, ast.Name) and not each.id.startswith("_"):
                    yield each.id


def _assigned(bundle: Bundle, name: str) -> ast.expr | None:
    """Return what a name of a bundle's text stands for, if that is an expression: `Tags = list[str]`."""
    for part in bundle.content.parts:
        if part.name != name or part.kind not in ("assignment", "statement"):
            continue
        for item in parsed(part.text).body:
            if isinstance(item, ast.Assign | ast.AnnAssign) and item.value is not None:
                return item.value
            value = getattr(item, "value", None)  # a `type` statement, of Pythons that have it
            if isinstance(value, ast.expr):
                return value
    return None


def _default(node: ast.expr | None) -> str:
    """Return the text of a field's default; "" if there is none, or if only running code could tell it."""
    if node is None:
        return ""
    if isinstance(node, ast.Call) and _last(node) in ("field", "Field"):
        for keyword in node.keywords:
            if keyword.arg == "default":
                return ast.unparse(keyword.value)
            if keyword.arg in ("default_factory", "factory"):
                return _FACTORIES.get(_last(keyword.value), "")
        return ""
    return ast.unparse(node)
