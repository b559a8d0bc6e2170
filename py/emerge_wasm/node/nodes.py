"""Operations that tell who is in the cluster, what happens to them, and what each holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

from ..cluster.peer import Identity
from ..cluster.view import MemberEvent
from ..errors import Invalid
from ..operations import Arguments, Context, Wire
from ..results import HoldingList, HoldingRow, MemberEventRow, MemberRow, MemberRows, MemberState
from .locate import Locator


class NodeRoutes:
    """The routes of `nodes`, `watchnodes` and `holdings`."""

    def __init__(self, locator: Locator) -> None:
        self._filesystem = locator.filesystem
        self._cluster = locator.cluster
        self._volumes = locator.volumes
        self._departures: dict[str, str] = {}  # filesystem -> when its last node was noticed to be away
        self._cluster.on_change(self._follow)

    # --- who is here
    async def nodes(self, args: Arguments, context: Context) -> MemberRows:
        return self.rows()

    def rows(self) -> MemberRows:
        """All nodes that are known: this one, those that are here, those cut off, those away, and those not joined."""
        own, view = self._cluster.identity, self._cluster.view
        rows = [self._row(own, "here"), *(self._row(who, "here") for who in view.members)]
        rows += [self._row(who, "unreachable") for who in view.cut()]
        known = {row["filesystem"] for row in rows}
        table = self._volumes.table
        for member in table.members if table is not None else ():
            if member.filesystem not in known:
                rows.append(self._away(Identity(member.node, "", member.filesystem, member.rpc, "")))
        known = {row["rpc"] for row in rows}
        for endpoint in self._cluster.joiner.unanswered():
            if endpoint not in known:
                rows.append({**self._row(Identity("", "", "", endpoint, ""), "unjoined"), "away": True})
        failures = self._cluster.joiner.failures()
        for row in rows:
            if row["state"] != "here" and row["rpc"] in failures:
                row["error"] = str(failures[row["rpc"]])
        return rows

    def away(self) -> list[str]:
        """The names of the nodes that have volumes and are away."""
        return sorted(row["node"] for row in self.rows() if row.get("away") and row["volumes"])

    def _row(self, who: Identity, state: MemberState) -> MemberRow:
        return {
            "node": who.node,
            "uuid": who.uuid,
            "filesystem": who.filesystem,
            "rpc": who.rpc,
            "self": who.uuid == self._cluster.identity.uuid,
            "state": state,
            "volumes": self._volumes_of(who.filesystem),
            "since": who.since,
            "version": who.version,
            "python": who.python,
        }

    def _away(self, who: Identity) -> MemberRow:
        row = self._row(who, "away")
        return {**row, "uuid": "", "since": self._departures.get(who.filesystem, ""), "away": True}

    def _volumes_of(self, filesystem: str) -> list[str]:
        table = self._volumes.table
        if table is None:
            return ["/"] if filesystem == self._filesystem.uuid else []
        return sorted(each.path for each in table.volumes if each.filesystem == filesystem)

    def _follow(self, event: MemberEvent, who: Identity) -> None:
        if event in ("left", "gone"):
            self._departures[who.filesystem] = _now()
        elif event == "joined":
            self._departures.pop(who.filesystem, None)

    # --- what happens to them
    async def watchnodes(self, args: Arguments, context: Context) -> AsyncGenerator[MemberEventRow, None]:
        waiting: asyncio.Queue[tuple[MemberEvent, Identity] | None] = asyncio.Queue()  # None: the mount table changed
        ends = [
            self._cluster.on_change(lambda event, who: waiting.put_nowait((event, who))),
            self._cluster.on_table(lambda: waiting.put_nowait(None)),
        ]
        try:
            before = self.rows()
            for row in before:
                yield {"event": row["state"], "date": _now(), **row}
            while True:
                news = await waiting.get()
                after = self.rows()
                changed = _changed(before, after) if news is None else [self._find(after, *news)]
                for row in changed:
                    yield {"event": "changed" if news is None else news[0], "date": _now(), **row}
                before = after
        finally:
            for end in ends:
                end()

    def _find(self, rows: MemberRows, event: MemberEvent, who: Identity) -> MemberRow:
        """What is to be said of a node after an event, also when it is in no list any more."""
        if event in ("left", "gone"):
            return {**self._away(who), "uuid": who.uuid}
        return next((row for row in rows if row["uuid"] == who.uuid), self._row(who, "here"))

    # --- what they hold
    async def hold(self) -> Wire:
        """What this node answers when another asks what it holds."""
        return dict(self._holding())

    async def holdings(self, args: Arguments, context: Context) -> HoldingList:
        answers, silent = await self._cluster.holdings()
        rows = [self._holding()]
        missing = {who.node for who in silent} | set(self.away())
        for who, answer in answers:
            try:
                rows.append(_read_holding(who, answer))
            except Invalid:  # of a release that has another form for it
                missing.add(who.node)
        rows.sort(key=lambda row: row["node"])
        return {"nodes": rows, "missing": sorted(missing)} if missing else {"nodes": rows}

    def _holding(self) -> HoldingRow:
        own = self._cluster.identity
        volumes, position = self._volumes_of(own.filesystem), self._filesystem.core.position
        return {"node": own.node, "filesystem": own.filesystem, "volumes": volumes, "position": position}


def _changed(before: MemberRows, after: MemberRows) -> MemberRows:
    """The rows of which the volumes have changed, and those of members that were not known."""
    known = {(row["filesystem"], row["uuid"]): row["volumes"] for row in before}
    return [row for row in after if known.get((row["filesystem"], row["uuid"])) != row["volumes"]]


def _read_holding(who: Identity, answer: Wire) -> HoldingRow:
    volumes, position = answer.get("volumes"), answer.get("position")
    if not isinstance(position, int) or not isinstance(volumes, list) or not all(type(path) is str for path in volumes):
        raise Invalid(f"what node {who.node} says that it holds cannot be read")
    return {"node": who.node, "filesystem": who.filesystem, "volumes": volumes, "position": position}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
