"""Completes what is written in a cell, and tells what it stands for, without running anybody's code.

A `Completer` knows names by a namespace, and paths by listing directories. Runs on CPython too.
"""

from __future__ import annotations

import builtins
import pkgutil
import re
import sys
import types
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from keyword import kwlist, softkwlist

from ...clients.client import Client
from ...clients.sync import SyncClient
from ...errors import EmergeError
from ...objects import DIRECTORY, EmergeObject
from ...operations import PATHS
from ...results import EntryPage, PointerRow
from ..protocol.option import CompletionKind
from ..protocol.view import CompletionItem, Described
from .caret import Caret, OpenCall, read_caret
from .inspection import UNKNOWN, InstanceOf, class_name, find_value, has_base, is_a, is_one, names_of
from .magic import MAGICS, MARKS
from .signature import doc_of, kind_of, show_plain, signature_of
from .written import written_names

MOST = 300  # completions of one request
PAGE = 200  # entries of a directory that are looked at
DOC = 4_000  # characters of documentation
HIGHEST = chr(sys.maxunicode)


@dataclass(frozen=True, slots=True)
class Completions:
    """What could stand in place of `typed`, which is what is there of it."""

    typed: str
    items: list[CompletionItem]
    whole: bool = True


ListDirectory = Callable[[object, str, str, str, int], Awaitable[EntryPage]]
"""Lists a directory: (client or None, its name in the cell, path, cursor, limit)."""


class Completer:
    """Completes with the names of this namespace. `extra` names are there too, by what their values are."""

    def __init__(
        self, namespace: Mapping[str, object], list_directory: ListDirectory, extra: Mapping[str, object] | None = None
    ) -> None:
        self._namespace = namespace
        self._list = list_directory
        self._extra = extra or {}

    async def complete(self, before: str, after: str = "") -> Completions:
        """Complete what ends where the cursor is."""
        caret = read_caret(before)
        if caret.comment or caret.fresh:
            return Completions(caret.typed, [])
        if not caret.quote and (magic := _MAGIC.search(before)):
            return _chosen(magic[2], _magics(magic[1]))
        names = self._names(caret, after)
        if caret.quote:
            return await self._in_string(caret, names)
        if caret.owner is not None:
            value = find_value(caret.owner, names) if caret.owner else UNKNOWN
            return _chosen(caret.typed, _attributes(value))
        if caret.imports:
            return _chosen(caret.typed, _modules(caret.typed))
        if caret.module is not None:
            return _chosen(caret.typed, _module_names(caret.module))
        items = [*self._arguments(caret, names), *_words(names, after)]
        return _chosen(caret.typed, items)

    def describe(self, before: str) -> Described | None:
        """Tell what the name is that this text ends with."""
        caret = read_caret(before)
        if caret.quote or caret.comment or not caret.typed:
            return None
        names = self._names(caret)
        name = f"{caret.owner}.{caret.typed}" if caret.owner else caret.typed
        value = find_value(name, names)
        if value is UNKNOWN:
            entry = names_of(find_value(caret.owner, names)).get(caret.typed, UNKNOWN) if caret.owner else UNKNOWN
            if entry is UNKNOWN:
                return None
            value = entry
        return _described(caret.typed, value, None)

    def call_of(self, before: str) -> Described | None:
        """Tell what is called in the call whose arguments are being written."""
        caret = read_caret(before)
        if caret.call is None:
            return None
        value = find_value(caret.call.callee, self._names(caret))
        return None if value is UNKNOWN else _described(caret.call.callee.rpartition(".")[2], value, caret.call)

    def _names(self, caret: Caret, after: str = "") -> dict[str, object]:
        """All names, also those that the text itself defines, by what is known of them."""
        names = {**self._namespace, **self._extra}
        text = "".join(token.text for token in caret.tokens)
        names = {**written_names(text, names), **names}
        written = _assigned(caret)
        for name, expression in written.items():
            if name not in names:
                names[name] = find_value(expression, names) if expression else UNKNOWN
        for name, expression in _EACH.findall(f"{text} {after}"):
            many = find_value(expression, names)
            if names.get(name, UNKNOWN) is UNKNOWN and is_one(many, list, tuple) and many:
                names[name] = many[0]  # type: ignore[index]  # of a list or a tuple
        return names

    # --- strings
    async def _in_string(self, caret: Caret, names: Mapping[str, object]) -> Completions:
        if caret.container is not None:
            return _chosen(caret.typed, _keys(find_value(caret.container, names)))
        if caret.call is None or not caret.whole:
            return Completions(caret.typed, [])
        called = find_value(caret.call.callee, names)
        if not _takes_path(called, caret.call):
            return Completions(caret.typed, [])
        client = _client_of(called)
        root = caret.call.callee.partition(".")[0]
        return await self._paths(caret, client, root)

    async def _paths(self, caret: Caret, client: object, root: str) -> Completions:
        typed = caret.typed
        directory, slash, prefix = typed.rpartition("/")
        if not slash:
            return Completions(typed, [] if typed else [_item("/", "directory")])
        try:
            page = await self._list(client, root, directory or "/", before_name(prefix), PAGE)
        except EmergeError:
            return Completions(prefix, [])
        rows = [row for row in page["entries"] if row["name"].startswith(prefix)]
        items = [_entry(row, caret.quote) for row in rows]
        return Completions(prefix, items, whole=len(page["entries"]) < PAGE)

    # --- calls
    def _arguments(self, caret: Caret, names: Mapping[str, object]) -> list[CompletionItem]:
        """The keyword arguments that the call takes and has not."""
        if caret.call is None or caret.call.keyword:
            return []
        parameters = signature_of(find_value(caret.call.callee, names)) or []
        plain = parameters[parameters.index("/") + 1 :] if "/" in parameters else parameters
        found = [(_name(each), each) for each in plain if each != "*" and not each.startswith("*")]
        only = parameters.index("*") if "*" in parameters else len(parameters)
        given = {_name(each) for each in parameters[: min(only, caret.call.positional)]}
        return [
            _item(f"{name}=", "parameter", text.removeprefix(name).removeprefix(":").strip())
            for name, text in found
            if name not in caret.call.given and name not in given
        ]


def _entry(row: PointerRow, quote: str) -> CompletionItem:
    name = row["name"].replace("\\", r"\\").replace(quote, f"\\{quote}")
    return _item(name, "directory" if row["type"] == DIRECTORY else "path", row["class_name"].rpartition(".")[2])


def before_name(prefix: str) -> str:
    """The cursor of a listing after which come the names that begin so: they are in order, so the others are passed."""
    if not prefix:
        return ""
    last = ord(prefix[-1])
    if last == 0:
        return prefix[:-1]
    return f"{prefix[:-1]}{chr(0xD7FF if last == 0xE000 else last - 1)}{HIGHEST}"


def _takes_path(called: object, call: OpenCall) -> bool:
    """Whether the argument is a path: one of a filesystem's operations, or of a new object's place."""
    parameters = signature_of(called)
    if parameters is None:
        return False
    plain = [each for each in parameters if each not in ("/", "*")]
    written = call.keyword or (_name(plain[call.index]) if call.index < len(plain) else "")
    note = next((each.partition(":")[2] for each in plain if _name(each) == written), "")
    if written not in PATHS or (note and "str" not in note):
        return False
    if is_a(called, type):
        return has_base(called, EmergeObject)  # type: ignore[arg-type]
    owner = _client_of(called)
    kind = owner.kind if type(owner) is InstanceOf else type(owner)
    return any(has_base(kind, base) for base in (Client, SyncClient)) or _is_client_function(called)


def _is_client_function(called: object) -> bool:
    """A function of a client that is known by its class only."""
    module: object = called.__module__ if type(called) is types.FunctionType else ""
    return type(module) is str and module.startswith("emerge_wasm.clients")


def _client_of(called: object) -> object:
    """What a method is bound to."""
    return called.__self__ if type(called) is types.MethodType else None


def _name(parameter: str) -> str:
    found = re.match(r"\**(\w+)", parameter)
    return found[1] if found else ""


def _described(name: str, value: object, call: OpenCall | None) -> Described:
    parameters = signature_of(value)
    active = -1
    if call is not None and parameters is not None:
        named = [at for at, each in enumerate(parameters) if _name(each) == call.keyword]
        stars = next((at for at, each in enumerate(parameters) if each.startswith("*")), len(parameters))
        plain = [at for at, each in enumerate(parameters[:stars]) if each != "/"]
        rest = stars if stars < len(parameters) and re.match(r"\*\w", parameters[stars]) else -1
        if call.keyword:
            others = len(parameters) - 1 if parameters and parameters[-1].startswith("**") else -1
            active = named[0] if named else others
        else:
            active = plain[call.index] if call.index < len(plain) else rest
    kind = value.kind if type(value) is InstanceOf else type(value)
    shown = show_plain(value) if parameters is None and type(value) is not InstanceOf else "…"
    what = kind_of(value)
    about = class_name(kind) if what == "value" else what
    return {
        "name": name,
        "parameters": parameters,
        "active": active,
        "kind": about if shown == "…" else f"{about} = {shown}",
        "doc": doc_of(value)[:DOC] if what != "value" or parameters is not None or shown == "…" else "",
    }


_MAGIC = re.compile(r"(?:^|\n)[ \t]*(?:\w+[ \t]*=[ \t]*)?(%%?)(\w*)$")
_EACH = re.compile(r"\bfor[ \t]+([^\W\d]\w*)[ \t]+in[ \t]+([^\W\d][\w.]*(?:\[\w+\])*)")


def _magics(mark: str) -> list[CompletionItem]:
    """The magics of a line, or with two signs of a cell."""
    of_cell = mark == "%%"
    fit = [name for name, each in sorted(MAGICS.items()) if name in MARKS or (each.cell if of_cell else each.line)]
    return [_item(name, "function", MAGICS[name].doc.partition(".")[0]) for name in fit]


# --- names
def _chosen(typed: str, items: Iterable[CompletionItem], *, string: bool = False) -> Completions:
    """Those that begin so, and after them those that have it within; private ones only when asked for."""
    first, second, seen = [], [], set()
    lower = typed.lower()
    for item in items:
        text = item["text"]
        if text in seen or (text.startswith("_") and not typed.startswith("_") and not string):
            continue
        seen.add(text)
        if text.lower().startswith(lower):
            first.append(item)
        elif len(lower) > 1 and lower in text.lower():
            second.append(item)
    return Completions(typed, [*first, *second][:MOST], string)


def _item(text: str, kind: CompletionKind, detail: str = "") -> CompletionItem:
    return {"text": text, "kind": kind, "detail": detail}


def _attributes(value: object) -> list[CompletionItem]:
    if value is UNKNOWN:
        return []
    return [_named(name, entry) for name, entry in sorted(names_of(value).items()) if name.isidentifier()]


def _named(name: str, value: object) -> CompletionItem:
    kind = kind_of(value)
    if kind == "function":
        parameters = signature_of(value)
        if parameters is not None:
            shown = [_name(each) or each for each in parameters]
            return _item(name, kind, f"({', '.join(each for each in shown if each not in ('self', '/', '*'))})"[:60])
    if kind == "value" and value is not UNKNOWN:
        shown_value = show_plain(value)
        return _item(name, kind, "" if shown_value == "…" else shown_value[:40])
    return _item(name, kind)


def _words(names: Mapping[str, object], after: str) -> list[CompletionItem]:
    """Names, then Python's own, then its keywords; `after` may define names too."""
    mine = [_named(name, value) for name, value in names.items() if type(name) is str and name.isidentifier()]
    later = [_item(name, "value") for name in re.findall(r"^\s*(?:def |class )?(\w+)\s*(?:=[^=]|\()", after, re.M)]
    return [*mine, *[each for each in later if each["text"].isidentifier()], *_own_words()]


@cache
def _own_words() -> list[CompletionItem]:
    own = [_named(name, value) for name, value in vars(builtins).items()]
    return [*own, *[_item(word, "keyword") for word in [*kwlist, *softkwlist] if word != "_"]]


def _keys(container: object) -> list[CompletionItem]:
    if type(container) is not dict:
        return []
    return [_item(key, "key") for key in container if type(key) is str]


def _modules(typed: str) -> list[CompletionItem]:
    package, _, _ = typed.rpartition(".")
    if package:
        module = sys.modules.get(package)
        path = names_of(module).get("__path__") if module is not None else None
        if type(path) is not list:
            return []
        return [_item(f"{package}.{each.name}", "module") for each in pkgutil.iter_modules(path)]
    known = {*sys.stdlib_module_names, *(name for name in sys.modules if "." not in name)}
    found = {each.name for each in pkgutil.iter_modules()}
    return [_item(name, "module") for name in sorted(known | found)]


def _module_names(name: str) -> list[CompletionItem]:
    module = sys.modules.get(name)
    if module is None:
        return []
    inside = _modules(f"{name}.")
    return [*_attributes(module), *(_item(each["text"].rpartition(".")[2], "module") for each in inside)]


_ASSIGNED = re.compile(r"^[ \t]*([^\W\d]\w*)[ \t]*(?::[^=\n]+)?=(?!=)[ \t]*(.+?)[ \t]*$", re.M)
_DEFINED = re.compile(r"\b(?:def|class|as|import|for|global|nonlocal)[ \t]+([^\W\d]\w*)")
_PARAMETERS = re.compile(r"\bdef[ \t]+\w+[ \t]*\(([^)]*)\)?|\blambda\b([^:]*):")


def _assigned(caret: Caret) -> dict[str, str]:
    """The names that the text defines, with the expression that was assigned last, "" where there is none."""
    text = "".join(" " if token.kind == "comment" else token.text for token in caret.tokens)
    kept = text[: len(text) - len(caret.typed)] if caret.typed else text
    found = dict.fromkeys(_DEFINED.findall(kept), "")
    for match in _PARAMETERS.finditer(kept):
        found.update(dict.fromkeys(re.findall(r"([^\W\d]\w*)[ \t]*(?=[,:=)]|$)", match[1] or match[2] or ""), ""))
    found.update(dict(_ASSIGNED.findall(kept)))
    return {name: expression for name, expression in found.items() if name.isidentifier()}
