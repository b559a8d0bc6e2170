"""The request about the rights of what is at a path: who the user is there, and whether they may change them."""

from __future__ import annotations

from ...results import PointerRow, PrincipalInfo
from ..protocol import PathArgs, Rights
from ..tab import Tab


async def rights(tab: Tab, args: PathArgs) -> Rights:
    place = tab.find(args)
    who: PrincipalInfo = await place.call("whoami", [])
    pointer: PointerRow = await place.call("get", [args["path"]])
    owner, me = pointer["owner"], who["principal"]
    may = who["superuser"] or (owner != "" and owner == me)
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
    }
