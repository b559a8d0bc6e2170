"""Bundles and their canonical bytes. Nothing here looks at a live class or runs code."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ..codec import decode, encode, show
from ..errors import EmergeError, Invalid, NotFound
from .grammar import BASE_GRAMMAR, Grammar

FORMAT = 2
"""What is written; format 1, which says neither module nor grammar, is read too."""
BUNDLE_LIMIT = 4 * 1024 * 1024
"""Bytes of one bundle."""
CHAIN_LIMIT = 64
"""Bundles that need bundles that need bundles…"""

Placement = Literal["anywhere", "node"]
"""Where a class can run: "node" when a browser tab cannot import what it needs."""
Find = Callable[[str], bytes | None]
"""Gives the bytes of a bundle by its hash, None for one that is not here."""
_HASH = re.compile(r"[0-9a-f]{64}")
PART_KINDS = frozenset({"function", "assignment", "class", "statement"})
_SHOWN = 2000  # characters of a constant in the text that people read


@dataclass(frozen=True, slots=True)
class SourcePart:
    """One piece of source: a function, an assignment, a class, or a statement with an effect. Parts run in order.

    `name` is what it defines; for a statement, what it changes. `future`: it was written under
    `from __future__ import annotations`. `module` is where a class was defined, "" for the module of the bundle's
    own class.
    """

    kind: str  # one of PART_KINDS
    name: str
    text: str
    future: bool
    module: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a bundle; equal content has equal bytes, on every Python.

    `within` is the hash of the bundle whose text has the class (a class in a class, or one of several classes that
    need each other), else "". `constants` are (name, encoded value), `classes` (name, bundle hash), `aliases`
    (name, name of a part). `module` is where the class was defined, "" when that is not known. `grammar` is the oldest
    Python, as (major, minor), whose grammar has all that the text uses.
    """

    class_name: str
    within: str = ""
    imports: tuple[str, ...] = ()
    constants: tuple[tuple[str, bytes], ...] = ()
    classes: tuple[tuple[str, str], ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()
    parts: tuple[SourcePart, ...] = ()
    requires: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    where: Placement = "anywhere"
    module: str = ""
    grammar: Grammar = BASE_GRAMMAR
    format: int = FORMAT

    @classmethod
    def of_member(cls, class_name: str, outer: Bundle) -> Content:
        """Make the content for a class whose text is in the bundle of another."""
        hash, text = outer.content.within or outer.hash, outer.content
        head = class_name.partition(".")[0]
        module = next((part.module for part in text.parts if (part.kind, part.name) == ("class", head)), "")
        return cls(
            class_name,
            within=hash,
            requires=(hash,),
            needs=text.needs,
            where=text.where,
            module=module or text.module,
            grammar=text.grammar,
            format=text.format,
        )

    def to_bytes(self) -> bytes:
        parts: list[list[object]] = [[part.kind, part.name, part.text, part.future] for part in self.parts]
        head: list[object] = [self.format, self.class_name, self.within, self.where]
        if self.format > 1:
            head += [self.module, list(self.grammar)]
            for row, part in zip(parts, self.parts, strict=True):
                row.append(part.module)
        rows = [
            head,
            [list(self.requires), list(self.needs), list(self.imports)],
            [[list(row) for row in table] for table in (self.constants, self.classes, self.aliases)],
            parts,
        ]
        return encode(rows)


@dataclass(frozen=True, slots=True)
class Bundle:
    """The shippable form of one class. `data` holds its canonical bytes, `hash` is their SHA-256 in hex.

    `source` is the text of the class as written; `preamble` that of what it uses: imports, constants, functions.
    `requires` are the hashes of bundles it depends on, `needs` the third-party packages it imports.
    """

    hash: str
    data: bytes = field(repr=False)
    content: Content = field(repr=False, compare=False)

    @classmethod
    def of(cls, content: Content) -> Bundle:
        data = content.to_bytes()
        return cls(hashlib.sha256(data).hexdigest(), data, content)

    @property
    def class_name(self) -> str:
        return self.content.class_name

    @property
    def requires(self) -> tuple[str, ...]:
        return self.content.requires

    @property
    def needs(self) -> tuple[str, ...]:
        return self.content.needs

    @property
    def where(self) -> Placement:
        return self.content.where

    @property
    def source(self) -> str:
        return "\n\n".join(part.text for part in self.content.parts if part.kind == "class")

    @property
    def preamble(self) -> str:
        blocks = [imports_text(self.content), constants_text(self.content)]
        blocks += [part.text for part in self.content.parts if part.kind != "class"]
        return "\n\n".join(block for block in blocks if block)


def imports_text(content: Content) -> str:
    """Return the import lines, as they are run."""
    future = ["from __future__ import annotations"] if any(part.future for part in content.parts) else []
    return "\n".join([*future, *content.imports])


def constants_text(content: Content) -> str:
    """Return the constants as people read them (their values come from the bytes, not from this text)."""
    return "\n".join(f"{name} = {_shown(data)}" for name, data in content.constants)


def _shown(data: bytes) -> str:
    text = show(decode(data))
    return text if len(text) <= _SHOWN else f"...  # {len(text)} characters"


def parse(data: bytes, hash: str | None = None) -> Bundle:
    """Parse a bundle's bytes, without running any of it.

    Raises:
        Invalid: they are not a bundle in canonical form, or do not have this hash.
    """
    if not isinstance(data, bytes) or len(data) > BUNDLE_LIMIT:
        raise Invalid("a class bundle must be bytes", remedy=f"at most {BUNDLE_LIMIT} of them")
    found = hashlib.sha256(data).hexdigest()
    if hash is not None and hash != found:
        raise Invalid(f"the class bundle {str(hash)[:12]} has other bytes than its hash says", remedy="send it again")
    try:
        content = _content(decode(data))
        for _, value in content.constants:
            decode(value)
    except EmergeError as error:
        raise Invalid(f"these bytes are not a class bundle: {error.message}") from None
    except (ValueError, TypeError) as error:
        raise Invalid(f"these bytes are not a class bundle: {error}") from None
    bundle = Bundle.of(content)
    if bundle.data != data:
        raise Invalid("the class bundle is not in canonical form")
    return bundle


def read_bundle(hash: str, find: Find) -> Bundle:
    """Find and parse the bundle of that hash, without running it.

    Raises:
        NotFound: it is not here; `details["bundle"]` is the hash.
        Invalid: its bytes are not right.
    """
    data = find(hash)
    if data is None:
        raise NotFound(f"the class bundle {hash[:12]} is not here", remedy="store an object of it again", bundle=hash)
    return parse(data, hash)


def code_hash(bundle: Bundle, find: Find) -> str:
    """Return a hash of the code alone: the same for classes that differ only in the modules that define them.

    Raises:
        NotFound: a bundle that it requires is not here.
    """
    known = _CODES.get(bundle.hash)
    if known is None:
        known = _CODES[bundle.hash] = _code_hash(bundle, find)
        while len(_CODES) > _CODES_KEPT:
            del _CODES[next(iter(_CODES))]
    return known


_CODES: dict[str, str] = {}  # each is needed again by all that require it
_CODES_KEPT = 4096


def _code_hash(bundle: Bundle, find: Find) -> str:
    content = bundle.content
    codes = {hash: _CODES.get(hash) or code_hash(read_bundle(hash, find), find) for hash in content.requires}

    def renamed(value: bytes) -> bytes:
        for hash, code in codes.items():
            value = value.replace(hash.encode(), code.encode())
        return value

    return Bundle.of(
        replace(
            content,
            module="",
            within=codes.get(content.within, ""),
            requires=tuple(sorted(codes.values())),
            classes=tuple((name, codes[hash]) for name, hash in content.classes),
            constants=tuple((name, renamed(value)) for name, value in content.constants),
            parts=tuple(replace(part, module="") for part in content.parts),
            format=FORMAT,
        )
    ).hash


def _content(rows: Any) -> Content:
    head, lists, tables, parts = rows
    number, name, within, where, *rest = head
    requires, needs, imports = (tuple(_text(item) for item in items) for items in lists)
    constants, classes, aliases = ([(_identifier(key), value) for key, value in table] for table in tables)
    if number not in (1, FORMAT):
        raise Invalid(f"its format is {number!r}, this Emerge reads up to {FORMAT}", remedy="update this Emerge")
    module, grammar = rest if number > 1 else ("", list(BASE_GRAMMAR))
    if [type(part) for part in grammar] != [int, int]:
        raise Invalid("it does not say which grammar it needs")
    if where not in ("anywhere", "node"):
        raise Invalid("it does not say where it runs")
    for value in (*requires, *[value for _, value in classes], *([within] if within else [])):
        if not _HASH.fullmatch(_text(value)):
            raise Invalid("it requires something that is not a hash")
    if not {within, *(value for _, value in classes)} <= {"", *requires}:
        raise Invalid("it uses a bundle that it does not require")
    if not all(type(value) is bytes for _, value in constants):
        raise Invalid("it has a constant that is not encoded")
    return Content(
        class_name=".".join(_identifier(step) for step in _text(name).split(".")),
        within=_text(within),
        imports=imports,
        constants=tuple(constants),
        classes=tuple(classes),
        aliases=tuple((key, _identifier(value)) for key, value in aliases),
        parts=tuple(_part(*part) for part in parts),
        requires=requires,
        needs=needs,
        where=where,
        module=_text(module),
        grammar=tuple(grammar),
        format=number,
    )


def _part(kind: object, name: object, text: object, future: object, module: object = "") -> SourcePart:
    if kind not in PART_KINDS or type(future) is not bool:
        raise Invalid("it has a part of an unknown kind")
    return SourcePart(str(kind), _identifier(name), _text(text), future, _text(module))


def _text(value: object) -> str:
    if type(value) is not str:
        raise Invalid(f"it has a {type(value).__name__} where text should be")
    return value


def _identifier(value: object) -> str:
    text = _text(value)
    if not text.isidentifier():
        raise Invalid(f"it has {text[:40]!r} where a name should be")
    return text
