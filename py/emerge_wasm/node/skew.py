"""What a node makes of a member of another release: what both know is done, and the rest is told by name.

A member that does not know a call, or the last of its arguments, says so before it does anything.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import Invalid
from ..operations import Transport
from .calls import CALLS

CALLED = {"_cluster_ring": "a ring of the whole cluster", "_cluster_copy": "copying between nodes"}
"""What calls of a node are for, as one would say it; those that begin with _handover are for moves."""


async def ask_member(link: Transport, node: str, name: str, args: Sequence[object]) -> object:
    """Call a node, without the last arguments that it does not know, if they have defaults.

    Raises:
        Invalid: it is of a release that does not know the call; the error names it and what it is for.
    """
    sent = CALLS[name].without_defaults(args)
    try:
        return await link.call(name, sent)
    except Invalid as error:
        fewer = known_arguments(name, sent, error)
        if fewer is None and not error.message.startswith(f"{name!r} cannot be called"):
            raise
    if fewer is not None:
        return await link.call(name, fewer)
    what = "moving between nodes" if name.startswith("_handover") else CALLED.get(name, f"the call {name}")
    raise Invalid(f"node {node} is of another release, which does not know {what}", remedy="update it", node=node)


def known_arguments(name: str, sent: Sequence[object], error: Invalid) -> list[object] | None:
    """Those of the arguments of a node's call that the refusing node knows; None when that is not why it refused."""
    row = CALLS.get(name)
    if row is None or not re.match(rf"{re.escape(name)} got \d+ arguments", error.message):
        return None
    known = len(re.findall(r"[(,]\s*\w+:", error.remedy or ""))
    return list(sent[:known]) if row.required <= known < len(sent) else None
