"""What zerorpc's own command line and monitors ask of any server: `_zerorpc_ping`, `_list`, `_help`…

Answered from the operation table. No sockets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import Invalid
from ..operations import TABLE, Operation, find_operation


def answer_builtin(server: str, name: str, args: list[Any]) -> Any:
    """The answer of one built-in for the server of that name; Invalid for an unknown one or wrong arguments."""
    plain: dict[str, Callable[[], Any]] = {
        "_zerorpc_ping": lambda: ["pong", server],
        "_zerorpc_name": lambda: server,
        "_zerorpc_list": lambda: list(TABLE),
        "_zerorpc_inspect": lambda: {"name": server, "methods": {row.name: _inspect(row) for row in TABLE.values()}},
    }
    of_method: dict[str, Callable[[Operation], Any]] = {
        "_zerorpc_help": lambda row: row.doc,
        "_zerorpc_args": lambda row: _argspec(row),
    }
    if name in plain and not args:
        return plain[name]()
    if name in of_method and len(args) == 1:
        return of_method[name](find_operation(args[0]))
    raise Invalid(f"{name[:80]} cannot be called like this", remedy="see _zerorpc_list for what can be called")


def _arguments(row: Operation) -> list[dict[str, Any]]:
    parameters = row.parameters
    return [{"name": p.name} if p.default is p.empty else {"name": p.name, "default": p.default} for p in parameters]


def _inspect(row: Operation) -> dict[str, Any]:
    return {"args": _arguments(row), "doc": row.doc}


def _argspec(row: Operation) -> list[Any]:
    """The classic [names, varargs, keywords, defaults]."""
    arguments = _arguments(row)
    defaults = [argument["default"] for argument in arguments if "default" in argument]
    return [[argument["name"] for argument in arguments], None, None, defaults]
