"""Commands made from the operation table, for operations that have no command of their own."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from inspect import Parameter

import click

from ..operations import TABLE, Operation
from .session import Session
from .show import print_json, print_value

MADE_BY = {
    "get": "ls",
    "getobject": "cat",
    "objects": "export",
    "list": "ls",
    "dir": "ls",
    "storeall": "import",
    "load": "import",
    "run": "call",
    "runstream": "call",
    "readobject": "get",
    "count": "search",
    "authors": "trust",
    "classes": "code",
    "haveblocks": "put",
    "placeblocks": "put",
    "findblocks": "blocks",
    "putblocks": "put",
    "putfile": "put",
    "dropblocks": "put",
    "getblocks": "get",
    "foundcluster": "cluster",
    "ring": "keys",
    "addkey": "keys",
    "revokekey": "keys",
    "watchnodes": "nodes",
}
"""Operations that a command of another name makes."""

WITHOUT = {
    "store": "an object with a class is made in Python; `import` stores plain ones from JSON or CSV",
    "pages": "`ls` prints all pages",
    "searchpages": "`search` prints all pages",
}
"""Operations without a command, and why."""

TYPES: dict[str, type] = {"str": str, "int": int, "bool": bool, "float": float}


def plain_commands(taken: Iterable[str]) -> Generator[click.Command, None, None]:
    """A command for each operation that none of those that are `taken` makes."""
    for name in TABLE.keys() - {*taken, *MADE_BY, *WITHOUT}:
        yield _command(TABLE[name])


def _command(row: Operation) -> click.Command:
    def run(**values: object) -> None:
        session = click.get_current_context().find_object(Session)
        assert session is not None
        call: Callable[..., object] = getattr(session.fs, row.name)
        result = call(*(values[parameter.name] for parameter in row.parameters))
        items = result if isinstance(result, Generator) else [result]
        for item in items:
            print_json(item) if session.json else print_value(item)

    return click.Command(row.name, params=[*map(_parameter, row.parameters)], callback=run, help=row.doc)


def _parameter(parameter: Parameter) -> click.Parameter:
    """An argument, or an option where the operation has a default."""
    kind = TYPES[str(parameter.annotation).removesuffix(" | None")]
    if parameter.default is parameter.empty:
        return click.Argument([parameter.name], type=kind)
    names = [f"--{parameter.name.replace('_', '-')}", parameter.name]
    return click.Option(names, type=kind, is_flag=kind is bool, default=parameter.default, show_default=True)
