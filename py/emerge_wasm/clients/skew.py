"""What a client makes of a node of another release: what both know is served, and the rest is told by name.

An older node refuses what it does not know before it does anything: an operation, an argument, a key of the context.
Its own words are read for that, since nothing can be added to a release that is out.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence

from ..context import Wire
from ..errors import EmergeError, Invalid
from ..operations import Operation, Transport

_CLOCK = "clock"
_NO_CLOCK = f"a call's context cannot have '{_CLOCK}'"


def without_clock(context: Wire, error: Invalid) -> Wire | None:
    """The context for another try, where a node knows no caller's clock; None when that was not the error."""
    if _CLOCK not in context or not error.message.startswith(_NO_CLOCK) or _CLOCK in (error.remedy or ""):
        return None  # a node that knows one says what it is like
    warnings.warn("this node is of an older release: searches there go by its own time and zone", stacklevel=4)
    return {name: value for name, value in context.items() if name != _CLOCK}


def is_of_earlier_release(error: Invalid, node: str) -> bool:
    """Tell whether an explained error says that this very node knows no identities in `store`."""
    return error.details.get("operation") == "store" and error.details.get("node") == node != ""


async def explained(error: Invalid, row: Operation, args: Sequence[object], transport: Transport) -> Invalid:
    """The error, or where the node does not know what is asked: one that names the node, its release and that."""
    unknown = _unknown(error, row, args)
    if unknown is None:
        return error
    try:
        row.bind(args)  # what is wrong here too is no matter of releases
    except Invalid:
        return error
    node = release = ""
    try:
        here = await transport.call("hello", [])
        node, release = here["node"], here["version"]
        holder = await _holder(row, args, transport)
        if holder not in ("", node):  # it was asked on, and who refused is the node that has the object
            node, release = holder, ""
    except (EmergeError, LookupError, TypeError):
        pass
    who = f"node {node}" if node else "this node"
    return Invalid(
        (f"{who} runs emerge {release}, which" if release else who) + f" does not know {unknown}",
        path=error.path,
        remedy="update it, or do without",
        operation=row.name,
        node=node,
        answered=error.message,
    )


async def _holder(row: Operation, args: Sequence[object], transport: Transport) -> str:
    """The node that has the object that a call is about, "" where that cannot be told."""
    named = {p.name: value for p, value in zip(row.parameters, args, strict=False)}
    path = named.get("path", named.get("source"))
    if not isinstance(path, str) or row.name == "whohas":
        return ""
    found = await transport.call("whohas", [[path]])
    return str(found["paths"].get(path, ""))


def _unknown(error: Invalid, row: Operation, args: Sequence[object]) -> str | None:
    """What an older release says that it does not know, as one would write it; None when it says something else."""
    said, name = error.message, re.escape(row.name)
    if said.startswith(f"there is no operation {row.name!r}"):
        return f"the operation {row.name}"
    if re.match(rf"{name} got \d+ arguments", said):
        known = set(re.findall(r"[(,]\s*(\w+):", error.remedy or ""))
        return _call(row, [p.name for p, _ in zip(row.parameters, args, strict=False) if p.name not in known])
    if said.startswith("these bytes are not a class bundle"):
        return "class bundles as this release writes them"
    if found := re.match(rf"{name} has no '(\w+)'", said):
        return _call(row, [found[1]])
    if found := re.match(rf"{name}: (\w+) cannot be (\w+)$", said):
        return f"{row.name}({found[1]}: {found[2]})"
    return None


def _call(row: Operation, names: Sequence[str]) -> str:
    return f"{row.name}(…, {', '.join(names) or '…'})"
