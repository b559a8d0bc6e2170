"""Asking all who have a part of a subtree at once, and telling who did not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..operations import Arguments, Context
from .locate import Locator, VolumePart, is_hidden

Answered = tuple[VolumePart, Any]
"""A part and what it answered, or raised."""


class Gathered(NamedTuple):
    """What each part answered, the top's first, and the names of the nodes that are away."""

    answers: list[Answered]
    missing: list[str]


async def gather(
    locator: Locator,
    path: str,
    name: str,
    args: Arguments,
    context: Context,
    *,
    same: bool = False,
) -> Gathered:
    """Run an operation on all that have a part at or below a path; `same`: with the same arguments everywhere.

    Parts of which the caller may see nothing are left out. When nobody answers, the error of the top is raised.
    """
    parts = locator.parts(path)
    if not same:
        return await gather_parts(locator, parts, name, args, context)
    parts = list({part.filesystem: part for part in reversed(parts)}.values())[::-1]
    asked = (locator.forwarder.ask(locator.serving(part.filesystem, path), name, args, context) for part in parts)
    return sort_out(locator, parts, await asyncio.gather(*asked, return_exceptions=True))


async def gather_parts(
    locator: Locator,
    parts: Sequence[VolumePart],
    name: str,
    args: Arguments,
    context: Context,
    *,
    begun: bool = False,
) -> Gathered:
    """Run an operation on these parts, as `gather` does; `begun`: the top answered before."""
    asked = (locator.ask_part(part, name, args, context) for part in parts)
    return sort_out(locator, parts, await asyncio.gather(*asked, return_exceptions=True), begun=begun)


def sort_out(
    locator: Locator, parts: Sequence[VolumePart], answers: Sequence[object], *, begun: bool = False
) -> Gathered:
    """Tell answers from errors: see `gather`."""
    found: list[Answered] = []
    missing: list[str] = []
    for part, answer in zip(parts, answers, strict=True):
        if not isinstance(answer, BaseException):
            found.append((part, answer))
        elif away := locator.away(answer):
            missing += [each for each in away if each not in missing]
        elif (part == parts[0] and not begun) or not is_hidden(answer):
            raise answer
    if not found and not begun:
        raise next(answer for answer in answers if isinstance(answer, BaseException))
    return Gathered(found, missing)
