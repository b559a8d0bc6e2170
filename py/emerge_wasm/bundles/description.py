"""Describe a class from its source: fields, methods, documentation. Nothing is run."""

from __future__ import annotations

import ast
import copy
import inspect
from collections.abc import Iterator, Mapping
from typing import TypedDict

from ..errors import Invalid, NotFound
from .bundle import CHAIN_LIMIT, Bundle, Find, read_bundle
from .source import FunctionNode, Unit
from .source_tree import LONG, SizedCache, is_new, parsed

Ancestor = tuple[Bundle, ast.ClassDef]
FieldDescription = TypedDict("FieldDescription", {"name": str, "annotation": str, "default": str, "class": str})
"""One field; `class` is the name of the class that declares it."""
MethodDescription = TypedDict(
    "MethodDescription", {"name": str, "signature": str, "doc": str, "kind": str, "class": str}
)
"""One method; `kind` is method, property, classmethod or staticmethod."""


class ClassDescription(TypedDict):
    """What a class offers, inherited fields and methods included."""

    doc: str
    fields: list[FieldDescription]
    methods: list[MethodDescription]


def describe(bundle: Bundle, find: Find) -> ClassDescription:
    """Describe the class of a bundle, except what Emerge's own bases have.

    A required bundle that is missing is left out. The description is kept: change nothing of it.
    """
    known = _DESCRIBED.get(bundle.hash)
    if known is not None and all(find(hash) is not None for hash in known[1]):
        return known[0]
    asked: dict[str, bool] = {}

    def look(hash: str) -> bytes | None:
        data = find(hash)
        asked[hash] = data is not None
        return data

    made = _describe(bundle, look)
    if all(asked.values()):
        _DESCRIBED.put(bundle.hash, (made, [*asked]), len(bundle.data))
    return made


_DESCRIBED: SizedCache[str, tuple[ClassDescription, list[str]]] = SizedCache(4 << 20)
"""Descriptions of classes of which nothing was missing, by the hashes of their bundles, and the bundles they need."""


def takes_long(bundle: Bundle, found: Mapping[str, bytes]) -> bool:
    """Tell whether to describe a class, given all that it needs, would hold up an event loop: then do it beside it."""
    if all(len(data) <= LONG for data in found.values()):
        return False
    return bundle.hash not in _DESCRIBED or is_new(bundle.source)


def _describe(bundle: Bundle, find: Find) -> ClassDescription:
    fields: dict[str, FieldDescription] = {}
    methods: dict[str, MethodDescription] = {}
    doc = ""
    for _, node in reversed(lineage(bundle, find)):
        doc = ast.get_docstring(node) or doc
        fields |= {field["name"]: field for field in _fields(node)}
        for method in _methods(node):
            methods[method["name"]] = method
            fields.pop(method["name"], None)
    return {"doc": doc, "fields": list(fields.values()), "methods": list(methods.values())}


def display_method(bundle: Bundle, find: Find) -> str:
    """Return the method by which instances show themselves, the richest first; "" if they have none."""
    nodes = [node for _, node in lineage(bundle, find)]
    names = {item.name for node in nodes for item in node.body if isinstance(item, FunctionNode)}
    return next((method for method in DISPLAYS if method in names), "")


DISPLAYS = {
    f"_repr_{kind}_": kind for kind in ("mimebundle", "html", "svg", "png", "jpeg", "markdown", "latex", "json")
}
"""Methods by which values show themselves, as notebooks know them, the richest first; and what each gives."""


def merge_rules(bundle: Bundle, find: Find) -> dict[str, str]:
    """Return how concurrent changes of a field are merged, by field: the rule in its `field(metadata={"merge": …})`.

    A function's name stands for the function.
    """
    rows = describe(bundle, find)["fields"]
    return {row["name"]: rule for row in rows if (rule := _merge_rule(row["default"]))}


def _merge_rule(default: str) -> str:
    """Read the rule in the text of a field's default, "" for none."""
    if "merge" not in default:
        return ""
    call = ast.parse(default, mode="eval").body
    for keyword in call.keywords if isinstance(call, ast.Call) else ():
        if keyword.arg == "metadata" and isinstance(keyword.value, ast.Dict):
            for key, value in zip(keyword.value.keys, keyword.value.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "merge":
                    return str(value.value) if isinstance(value, ast.Constant) else ast.unparse(value)
    return ""


def source_of(bundle: Bundle, find: Find, method: str = "") -> str:
    """Return the text of the class with what it needs, or of one method.

    Raises:
        NotFound: the class has no such method.
    """
    if method:
        text, node = _find_method(bundle, find, method)
        return Unit("", text, ast.Module([], [])).cut(node)
    return shown_text(_text_bundle(bundle, find))


def shown_text(bundle: Bundle) -> str:
    """Return a bundle's own text as people read it: the class after what it needs."""
    blocks = [block for block in (bundle.preamble, bundle.source) if block]
    return "\n\n\n".join(blocks) + "\n"


def help_of(bundle: Bundle, find: Find, method: str = "") -> str:
    """Return the documentation of the class with its fields and methods, or of one method."""
    if method:
        _, node = _find_method(bundle, find, method)
        found = _method(node, "")
        return "\n".join([f"{found['name']}{found['signature']}", *_indented(found["doc"])])
    about = describe(bundle, find)
    lines = [f"class {bundle.class_name}", *_indented(about["doc"])]
    if about["fields"]:
        lines += ["", "fields:"]
    for field in about["fields"]:
        default = f" = {field['default']}" if field["default"] else ""
        lines.append(f"    {field['name']}: {field['annotation']}{default}")
    if about["methods"]:
        lines += ["", "methods:"]
    for row in about["methods"]:
        lines.append(f"    {row['name']}{row['signature']}" + (f"  [{row['kind']}]" if row["kind"] != "method" else ""))
        lines += ["    " + line for line in _indented(row["doc"])]
    return "\n".join(lines) + "\n"


def _indented(doc: str) -> list[str]:
    return [f"    {line}".rstrip() for line in doc.splitlines()]


def _text_bundle(bundle: Bundle, find: Find) -> Bundle:
    """Return the bundle that has the text of this class: itself, or the one that it is within."""
    return read_bundle(bundle.content.within, find) if bundle.content.within else bundle


def lineage(bundle: Bundle, find: Find, name: str = "") -> list[Ancestor]:
    """Return the class (or that of another name in its text) and its shipped bases, in the order of attribute lookup.

    Bases that are not shipped, or missing, are left out.
    """
    found: dict[str, Ancestor] = {}
    _add(bundle, name or bundle.class_name, find, found, 0)
    return list(found.values())


def _add(bundle: Bundle, name: str, find: Find, found: dict[str, Ancestor], level: int) -> None:
    if level > CHAIN_LIMIT:
        raise Invalid(f"the class {bundle.class_name} has too many bases")
    outer = _text_bundle(bundle, find)
    node = class_node(outer, name)
    if node is None:
        return
    found.pop(f"{outer.hash}:{name}", None)  # a base common to several is looked up last
    found[f"{outer.hash}:{name}"] = (outer, node)
    classes, aliases = dict(outer.content.classes), dict(outer.content.aliases)
    for base in node.bases:
        base_name = ast.unparse(base.value if isinstance(base, ast.Subscript) else base)
        hash = classes.get(base_name)
        if hash is None:
            _add(outer, aliases.get(base_name, base_name), find, found, level + 1)
            continue
        data = find(hash)
        if data is not None:
            inner = read_bundle(hash, find)
            _add(inner, inner.class_name, find, found, level + 1)


def class_node(bundle: Bundle, name: str) -> ast.ClassDef | None:
    """Find the class statement of a (dotted) name in a bundle's own text."""
    body: list[ast.stmt] = parsed(bundle.source).body
    found = None
    for step in name.split("."):
        found = next((node for node in body if isinstance(node, ast.ClassDef) and node.name == step), None)
        if found is None:
            return None
        body = found.body
    return found


def _fields(node: ast.ClassDef) -> Iterator[FieldDescription]:
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            annotation = ast.unparse(item.annotation)
            if "ClassVar" not in annotation and not item.target.id.startswith("_"):
                default = ast.unparse(item.value) if item.value else ""
                yield {"name": item.target.id, "annotation": annotation, "default": default, "class": node.name}


def _methods(node: ast.ClassDef) -> Iterator[MethodDescription]:
    for item in node.body:
        if isinstance(item, FunctionNode) and not item.name.startswith("_"):
            if not any(isinstance(mark, ast.Attribute) and mark.attr in _OF_PROPERTY for mark in item.decorator_list):
                yield _method(item, node.name)
        elif isinstance(item, ast.Assign) and (found := _partial(item, node)) and not found["name"].startswith("_"):
            yield found


def _partial(item: ast.Assign, node: ast.ClassDef) -> MethodDescription | None:
    """Describe `name = partialmethod(method, …)`: the method, without the arguments that are given."""
    match item:
        case ast.Assign([ast.Name(name)], ast.Call(func, [ast.Name(of), *given], keywords)):
            whole = [one for one in node.body if isinstance(one, FunctionNode) and one.name == of]
            if ast.unparse(func).rpartition(".")[2] == "partialmethod" and whole:
                found = copy.deepcopy(whole[-1])
                found.name, arguments = name, found.args
                del arguments.args[1 : 1 + len(given)]
                named = {keyword.arg for keyword in keywords}
                arguments.defaults = arguments.defaults[-len(arguments.args) :] if arguments.args else []
                count = len(arguments.args) - len(arguments.defaults)
                values: list[ast.expr | None] = [*[None] * count, *arguments.defaults]
                kept = [(arg, value) for arg, value in zip(arguments.args, values, strict=True) if arg.arg not in named]
                arguments.args = [arg for arg, _ in kept]
                arguments.defaults = [value for _, value in kept if value is not None]
                return _method(found, node.name)
    return None


_OF_PROPERTY = ("setter", "deleter", "getter")


def _method(node: FunctionNode, owner: str) -> MethodDescription:
    marks = {ast.unparse(mark).rpartition(".")[2] for mark in node.decorator_list}
    kind = next((mark for mark in ("staticmethod", "classmethod", "property") if mark in marks), "method")
    kind = "property" if "cached_property" in marks else kind
    arguments = node.args
    if kind != "staticmethod":
        arguments = _without_first(arguments)
    result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    signature = result if kind == "property" else f"({ast.unparse(arguments)}){result}"
    doc = inspect.cleandoc(ast.get_docstring(node) or "")
    return {"name": node.name, "signature": signature, "doc": doc, "kind": kind, "class": owner}


def _without_first(arguments: ast.arguments) -> ast.arguments:
    """Return the arguments as a caller gives them: without self or cls."""
    first = len(arguments.posonlyargs) > 0
    return ast.arguments(
        posonlyargs=arguments.posonlyargs[1:],
        args=arguments.args if first else arguments.args[1:],
        vararg=arguments.vararg,
        kwonlyargs=arguments.kwonlyargs,
        kw_defaults=arguments.kw_defaults,
        kwarg=arguments.kwarg,
        defaults=arguments.defaults,
    )


def _find_method(bundle: Bundle, find: Find, method: str) -> tuple[str, FunctionNode]:
    for outer, node in lineage(bundle, find):
        for item in node.body:
            if isinstance(item, FunctionNode) and item.name == method:
                return outer.source, item
    names = ", ".join(row["name"] for row in describe(bundle, find)["methods"])
    raise NotFound(
        f"{bundle.class_name} has no method {method[:80]!r}",
        remedy=f"it has: {names}" if names else None,
        method=method,
    )
