"""Index rows: the layout of their keys in the space `indexes`, and the rows of an object. Pure.

b"idx" + id + sort keys of the fields + uuid -> parent uuid + version + name  an object with sort keys
b"idx" + id + b"\\xff" + uuid               -> the same                        one without: searches test these
b"idx" + id + b"\\xfe" + uuid               -> the same                        one that lacks the first field
b"unq" + id + hash of the values           -> uuid + parent uuid + name       the object with these values
b"txt" + id + word + b"\\0" + uuid          -> count, length, parent uuid + name

The version is the newest, so that one more read gives the object: every version of an object writes its rows again.
Rows of words, which may be many, hold no version.
"""

from __future__ import annotations

import hashlib
import re
import struct
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from ...codec import Record, decode, encode
from ...errors import EmergeError
from ...objects import METADATA as OF_OBJECTS
from ...query.order import sort_key
from ...query.shape import Shape
from ...store import Lookup
from ..layout.catalogue import Definition
from ..layout.record import Entry, entry_key

REST = b"\xff"
NOWHERE = b"\xfe"
UNIQUE = b"unq"
PREFIX_SIZE = 7
VERSION_OF = Lookup("versions", (("key", -16, None), ("value", 16, 24)))
"""A row of an index leads to the newest version of the object."""
ENTRY_OF = Lookup("entries", (("value", 0, 16), ("value", 24, None)))
"""It leads to the object's entry, too."""
KINDS = (b"idx", UNIQUE, b"txt")
METADATA = ("name", "type", "class_name", "bundle", "perms", "owner", "group", "size", "version", "revision", "date")
"""Fields of an entry that change only with versions of the object; `uuid` is one too."""

_HIDDEN = frozenset(OF_OBJECTS)  # an object has these from its entry, whatever its state says

ABSENT: object = object()
UNREADABLE: dict[str, object] = {}
FastRow = Callable[[bytes, bytes, str, int, dict[str, object], Shape], "tuple[bytes, bytes] | None"]
"""Makes the row of an object: of the uuids of its directory and itself, its name, version, state and class."""
_LARGE = 4096  # bits above which an int is not compared with a Decimal
_COUNTS = struct.Struct(">II")

WORD_LENGTH = 64
"""Characters of a word that are kept; the rest is cut off."""

_WORD = re.compile(r"\w+")


def index_prefix(id: int) -> bytes:
    return b"idx" + id.to_bytes(4, "big")


def unique_prefix(id: int) -> bytes:
    return UNIQUE + id.to_bytes(4, "big")


def text_prefix(id: int) -> bytes:
    return b"txt" + id.to_bytes(4, "big")


def prefixes_of(id: int) -> tuple[bytes, ...]:
    """Return the prefixes of the keys of an index's rows."""
    return index_prefix(id), unique_prefix(id), text_prefix(id)


def read_state(raw: bytes | None) -> dict[str, object]:
    """Decode the fields of a state; an unreadable one has none, so that its object goes to the rest."""
    try:
        state = decode(raw) if raw is not None else UNREADABLE
    except EmergeError:
        return UNREADABLE
    return state if isinstance(state, dict) else UNREADABLE


def value_of(entry: Entry, state: dict[str, object], field: str) -> object:
    """Return an object's value at `price` or, in plain nested data, at `address.city`; ABSENT if there is none."""
    if "." not in field and field in state and field not in _HIDDEN:  # as most are
        return state[field]
    first, *rest = field.split(".")
    if first in _HIDDEN or (first not in state and not rest):
        value = entry.uuid.hex() if first == "uuid" else getattr(entry, first) if first in METADATA else ABSENT
    else:
        value = state.get(first, ABSENT)
    for part in rest:
        held = value.fields if isinstance(value, Record) else value
        value = held.get(part, ABSENT) if isinstance(held, dict) else ABSENT
    return value


def is_hidden(shape: Shape, field: str) -> bool:
    """Whether the class computes the field, whatever the state says."""
    return bool(shape.opaque) or field.split(".")[0] in shape.computed


def hides(shape: Shape, fields: Sequence[str]) -> bool:
    """Whether the class computes any of these fields."""
    return bool(shape.opaque) or (bool(shape.computed) and any(is_hidden(shape, field) for field in fields))


def is_lacking(shape: Shape, state: dict[str, object], field: str) -> bool:
    """Whether an object has no such attribute at all, so that no predicate that must read it holds."""
    first = field.split(".")[0]
    if first in state or first in _HIDDEN or first in METADATA or shape.opaque or state is UNREADABLE:
        return False
    made = first in shape.computed or first in shape.others or first in shape.defaults or shape.dynamic
    return not made and not first.startswith("__")


def rows_of(
    definition: Definition, parent: bytes, entry: Entry, state: dict[str, object], shape: Shape, most: int
) -> dict[bytes, bytes]:
    """Return the rows of an object in one index; a single row in the rest if there would be more than `most`."""
    if definition.text:
        return _text_rows(definition, parent, entry, state, most)
    fields = definition.fields
    values = [value_of(entry, state, field) for field in fields]
    if hides(shape, fields):
        place = REST
    elif fields[0] not in state and is_lacking(shape, state, fields[0]):
        place = NOWHERE
    else:
        place = _place(values)
    key = index_prefix(definition.id) + place + entry.uuid
    rows = {key: where_of(parent, entry)}
    if definition.unique and (exact := exact_key(values)) is not None:
        rows[unique_prefix(definition.id) + exact] = entry.uuid + entry_key(parent, entry.name)
    return rows


def fast_row(definition: Definition) -> FastRow:
    """Return what makes the one row of an object as `rows_of` does; None where that is not plain to see."""
    prefix, fields = index_prefix(definition.id), definition.fields
    single, first = len(fields) == 1, fields[0]
    simple = not (definition.text or definition.unique or any("." in each or each in _HIDDEN for each in fields))

    def make(
        parent: bytes, uuid: bytes, name: str, version: int, state: dict[str, object], shape: Shape
    ) -> tuple[bytes, bytes] | None:
        if not simple or shape.opaque or shape.computed:
            return None
        try:
            place = (sort_key(state[first]) or REST) if single else _place([state[field] for field in fields])
        except KeyError:
            return None
        return prefix + place + uuid, parent + version.to_bytes(8, "big") + name.encode()

    return make


def where_of(parent: bytes, entry: Entry) -> bytes:
    """Pack the directory, newest version and name of an object as a row holds them."""
    return parent + entry.version.to_bytes(8, "big") + entry.name.encode()


def _place(values: list[object]) -> bytes:
    if len(values) == 1:
        return sort_key(values[0]) or REST
    keys = [sort_key(value) for value in values]
    return REST if None in keys else b"".join(key for key in keys if key is not None)


def _text_rows(
    definition: Definition, parent: bytes, entry: Entry, state: dict[str, object], most: int
) -> dict[bytes, bytes]:
    counts, length = count_words(value_of(entry, state, definition.fields[0]))
    if len(counts) > most:
        return {index_prefix(definition.id) + REST + entry.uuid: where_of(parent, entry)}
    prefix, where = text_prefix(definition.id), entry_key(parent, entry.name)
    return {
        prefix + word.encode() + b"\0" + entry.uuid: _COUNTS.pack(count, length) + where
        for word, count in counts.items()
    }


def read_count(value: bytes) -> tuple[int, int, bytes]:
    """Unpack a row of a text index: (count of the word, number of words, parent uuid + name)."""
    return *_COUNTS.unpack_from(value), value[_COUNTS.size :]


def exact_key(values: list[object]) -> bytes | None:
    """Hash values to sixteen bytes, the same for equal values only; None if one is absent, None or NaN."""
    parts = [_exact(value) for value in values]
    if None in parts:
        return None
    return hashlib.sha256(encode(parts)).digest()[:16]


def _exact(value: object) -> list[object] | None:
    if value is None or value is ABSENT or value != value:
        return None
    if isinstance(value, (bool, int, float, Decimal)):
        return ["number", _number(value)]
    key = sort_key(value)
    return ["value", value] if key is None or type(value) in (str, bytes) else ["key", key]


def _number(value: bool | int | float | Decimal) -> object:
    """Return the same for equal numbers of different types."""
    if isinstance(value, int) and value.bit_length() > _LARGE:
        return int(value)
    sign, digits, exponent = Decimal(value).as_tuple()
    if not isinstance(exponent, int):
        return [sign, str(exponent)]  # infinite
    text = "".join(map(str, digits)).lstrip("0")
    short = text.rstrip("0")
    return [sign, short, exponent + len(text) - len(short)] if short else []


# --- words
def fold(text: str) -> str:
    """Normalize a text so that case and equivalent Unicode characters make no difference."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def words_of(value: object) -> Iterator[str]:
    """Yield the words of a str, or of all str in a list, in order; none for anything else."""
    if isinstance(value, str):
        for word in _WORD.findall(fold(value)):
            yield word[:WORD_LENGTH]
    elif isinstance(value, (list, tuple)):
        for held in value:
            if isinstance(held, str):
                yield from words_of(held)


def count_words(value: object) -> tuple[dict[str, int], int]:
    """Count each word of a value, and all its words."""
    counts = Counter(words_of(value))
    return counts, counts.total()
