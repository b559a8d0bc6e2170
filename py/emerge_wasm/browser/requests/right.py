"""Requests about the rights of what is at a path: who may change them, and what a change of all below would do."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from ...context import Context
from ...errors import LimitExceeded
from ...filesystem.layout import access
from ...objects import DIRECTORY
from ...paths import child_path
from ...results import EntryPage, PointerRow, PrincipalInfo
from ..places.place import TabPlace
from ..protocol.argument import BelowArgs, PathArgs
from ..protocol.step import BelowView, ChangeStep
from ..protocol.view import BelowChange, Rights
from ..tab import Tab

PAGE = 1000
MOST = 20_000
"""Entries below a directory that the page changes, each undone by itself."""
TOLD = 50
"""Of them, those that are told one by one."""


async def rights(tab: Tab, args: PathArgs) -> Rights:
    place = tab.find(args)
    who: PrincipalInfo = await place.call("whoami", [])
    pointer: PointerRow = await place.call("get", [args["path"]])
    owner, me = pointer["owner"], who["principal"]
    may = _owns(who, pointer)
    shown = f"you are {me}" if me else "you are nobody there"
    why = (
        ""
        if may
        else f"Only {owner or 'an administrator'}{'' if not owner else ', its owner,'} may change this; {shown}."
    )
    return {
        "principal": me,
        "groups": who["groups"],
        "superuser": who["superuser"],
        "may": may,
        "why": why,
        "pointer": pointer,
    }


async def rights_below(tab: Tab, args: BelowArgs) -> BelowView:
    """Tell what a change of the rights of all that is below a directory would do, and the steps that make it.

    What is deeper comes first: who takes the right to pass through from themselves can still do the rest.
    """
    place = tab.find(args)
    who: PrincipalInfo = await place.call("whoami", [])
    found: list[list[ChangeStep]] = []
    told: list[BelowChange] = []
    view: BelowView = {"count": 0, "changes": 0, "refused": 0, "rows": told, "steps": [], "missing": []}
    async with aclosing(_below(place, args["path"], view["missing"])) as entries:
        async for pointer in entries:
            view["count"] += 1
            if view["count"] > MOST:
                raise LimitExceeded(
                    f"more than {MOST:,} entries are below {args['path']}",
                    path=args["path"],
                    remedy="change them by the command line: emerge chmod -r, emerge chown -r",
                    limit="entries",
                )
            before = _shown(pointer)
            after = _changed(pointer, args)
            if _shown(after) == before:
                continue
            may = _owns(who, pointer)
            view["changes" if may else "refused"] += 1
            path = child_path(pointer["path"], pointer["name"])
            if len(told) < TOLD:
                told.append({"path": path, "before": before, "after": _shown(after), "may": may})
            if may:
                found.append(_steps(path, pointer, after))
    view["steps"] = [step for each in reversed(found) for step in each]
    return view


def _changed(pointer: PointerRow, args: BelowArgs) -> PointerRow:
    perms = access.changed_perms(pointer["perms"], args["perms"]) if args["perms"] else pointer["perms"]
    group = pointer["group"] if args["group"] is None else args["group"]
    return {**pointer, "perms": perms, "owner": args["owner"] or pointer["owner"], "group": group}


def _steps(path: str, before: PointerRow, after: PointerRow) -> list[ChangeStep]:
    steps: list[ChangeStep] = []
    if before["perms"] != after["perms"]:
        steps.append({"change": "chmod", "path": path, "perms": after["perms"]})
    if (before["owner"], before["group"]) != (after["owner"], after["group"]):
        # last: who gives something away may not change it any more
        steps.append({"change": "chown", "path": path, "owner": after["owner"], "group": after["group"]})
    return steps


async def _below(place: TabPlace, path: str, missing: list[str]) -> AsyncGenerator[PointerRow, None]:
    """Yield all entries below a directory, each directory before what is in it."""
    cursor = ""
    while True:
        page: EntryPage = await place.call("list", [path, cursor, PAGE])
        missing += [each for each in page.get("missing", []) if each not in missing]
        for pointer in page["entries"]:
            yield pointer
            if pointer["type"] == DIRECTORY:
                async with aclosing(_below(place, child_path(pointer["path"], pointer["name"]), missing)) as entries:
                    async for each in entries:
                        yield each
        cursor = page["cursor"]
        if not cursor:
            return


def _owns(who: PrincipalInfo, pointer: PointerRow) -> bool:
    return who["superuser"] or (pointer["owner"] != "" and pointer["owner"] == who["principal"])


def may_write(who: PrincipalInfo, pointer: PointerRow) -> bool:
    """Whether somebody may change what is at a path; what is above it is not looked at."""
    caller = Context(who["principal"], tuple(who["groups"]), who["superuser"])
    return access.permits(caller, pointer["owner"], pointer["group"], access.mode_of(pointer["perms"]), "w")


def _shown(pointer: PointerRow) -> str:
    group = f":{pointer['group']}" if pointer["group"] else ""
    return f"{pointer['perms']} {pointer['owner']}{group}".strip()
