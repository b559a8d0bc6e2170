"""What magics do in a cell. `magic` writes the calls."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable

from ...errors import NotFound, Unavailable
from .display import display
from .inspection import UNKNOWN, InstanceOf, class_name, find_value, names_of
from .magic import MAGICS, known_magics
from .signature import doc_of, kind_of, show_plain, signature_of, source_of
from .stopwatch import Stopwatch, TimeitResult, time_statement, timing


class Tools:
    """The functions of magics, for cells with this namespace."""

    def __init__(self, namespace: dict[str, object]) -> None:
        self._namespace = namespace
        watch = Stopwatch()
        self.begin, self.end, self.timing = watch.begin, watch.end, timing
        self.pip: Callable[[str], Awaitable[None]] = _no_packages

    def timeit(self, rest: str, body: str | None = None) -> TimeitResult | None:
        return time_statement(self._namespace, rest, body)

    def show(self, mime: str, text: str) -> None:
        display({mime: text.strip("\n")}, raw=True)

    def magics(self) -> None:
        _say("\n".join(f"%{name:<12}{magic.doc}" for name, magic in sorted(MAGICS.items())))

    def help(self, name: str, full: bool) -> None:
        """Print what is known of a name; runs no code of what it stands for."""
        if name.startswith("%"):
            magic = MAGICS.get(name.lstrip("%"))
            if magic is None:
                raise NotFound(f"there is no magic {name}", remedy=f"there are {known_magics()}")
            _say(f"{name}\n{magic.doc}")
            return
        value = find_value(name, self._namespace)
        if value is UNKNOWN:
            raise self._unknown(name)
        _say(describe_value(name, value, full=full))

    def _unknown(self, name: str) -> NotFound:
        owner, _, last = name.rpartition(".")
        if owner and last in names_of(find_value(owner, self._namespace)):
            return NotFound(f"what {name} is, only its code tells", remedy=f"run {name} in a cell to see its value")
        return NotFound(f"there is nothing called {name} here", remedy="run the cell that defines it, or import it")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def describe_value(name: str, value: object, *, full: bool = False) -> str:
    """Signature, type, value where it is plain, and documentation; `full`: the source too."""
    parts = []
    parameters = signature_of(value)
    if parameters is not None:
        parts.append(f"{name}({', '.join(parameters)})")
    kind = value.kind if type(value) is InstanceOf else type(value)
    parts.append(f"{kind_of(value)} of type {class_name(kind)}")
    if parameters is None and (shown := show_plain(value)) != "…":
        parts.append(f"Value: {shown}")
    if doc := doc_of(value):
        parts.append(f"\n{doc}")
    if full and (source := source_of(value)):
        parts.append(f"\n{source.rstrip()}")
    return "\n".join(parts)


async def _no_packages(text: str) -> None:
    raise Unavailable("%pip is for the page: here Python has the packages of its environment", remedy=f"pip {text}")
