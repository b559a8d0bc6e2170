"""Runs code on another node of the cluster, one that has loaded the packages, or has the Python, which it needs.

The object stays where it is: its state and its class go to the other node and what the method changed comes back. Every
node says in `hello` which packages its code may import; that does not change while its process lives.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from contextlib import aclosing

from ..bundles.needed_python import version_of, version_text
from ..cluster.membership import Cluster
from ..cluster.peer import Identity
from ..errors import EmergeError, Unavailable
from ..filesystem.execution import is_lacking
from ..filesystem.runner import EvaluateCall, EvaluateOutcome, Host, PartHost, RunCall, RunOutcome
from ..operations import Context
from ..results import NodeInfo
from .forward import Forwarder

log = logging.getLogger("emerge.node")


class RunElsewhere:
    """The `OtherRunners` of a node."""

    def __init__(self, forwarder: Forwarder, cluster: Cluster) -> None:
        self._forwarder = forwarder
        self._cluster = cluster
        self._known: dict[str, NodeInfo] = {}  # by the uuid of the node's process

    async def run(self, call: RunCall, context: Context, refused: Unavailable, host: Host) -> RunOutcome:
        """Run a call on the first node that can. Raises Unavailable when none can, or the call's own error."""
        if context.transaction:
            refused.remedy = f"run it outside the transaction, or {refused.remedy}"
            raise refused
        args = [
            *(call.path, dict(call.pointer), call.state, call.bundles, call.method),
            *(call.args, call.kwargs, call.timeout),
        ]
        for node in await self._able(refused):
            try:
                return await self._run(node, args, context, host)
            except Unavailable as error:
                if not is_lacking(error):
                    raise
        raise await self._nobody(refused)

    async def _run(self, node: Identity, args: list[object], context: Context, host: Host) -> RunOutcome:
        async with aclosing(self._forwarder.stream(node, "_run_part", args, context)) as events:
            async for event in events:
                if event["event"] == "output":
                    host.write(event["text"])
                elif event["event"] == "part" and isinstance(host, PartHost):
                    await host.give(event["part"])
                else:
                    del event["event"]
                    return RunOutcome(**event, node=node.node)
        raise Unavailable(f"node {node.node} ended a run without its outcome")

    async def evaluate(self, call: EvaluateCall, context: Context, refused: Unavailable) -> EvaluateOutcome:
        """Evaluate an expression on the first node that can. Raises Unavailable when none can."""
        rows = [[dict(pointer), state] for pointer, state in call.rows]
        args = [call.expression, rows, call.bundles, call.timeout]
        for node in await self._able(refused):
            try:
                done = await self._forwarder.ask(node, "_evaluate_part", args, context)
            except Unavailable as error:
                if not is_lacking(error):
                    raise
            else:
                return EvaluateOutcome(done["values"], dict(done["errors"]))
        raise await self._nobody(refused)

    async def _able(self, refused: Unavailable) -> list[Identity]:
        """Return the nodes that run code and have the packages, or the Python, which are missing here."""
        known = [(node, await self._ask(node)) for node in self._cluster.peers()]
        return [node for node, info in known if info and info["runs"] and not _absent(info, refused)]

    async def _ask(self, node: Identity) -> NodeInfo | None:
        """Return what a node says of itself; None when it does not answer, or is of an Emerge that does not say it."""
        if node.uuid not in self._known:
            try:
                info: NodeInfo = await self._forwarder.ask(node, "hello", [], Context(superuser=True, via="cluster"))
            except EmergeError as error:
                log.warning("node %s does not say what it can run: %s", node.node, error.message)
                return None
            if "pythons" not in info:
                return None
            self._known = {
                each.uuid: self._known[each.uuid] for each in self._cluster.peers() if each.uuid in self._known
            }
            self._known[node.uuid] = info
        return self._known[node.uuid]

    async def _nobody(self, refused: Unavailable) -> Unavailable:
        """Return the error for code that no node can run; it says what each node lacks."""
        peers = self._cluster.peers()
        if peers:
            said = [await self._tell(node, refused) for node in peers]
            refused.message += f", and no other node can run it: {'; '.join(said)}"
            refused.remedy = f"{refused.remedy}, here or on another node"
        return refused

    async def _tell(self, node: Identity, refused: Unavailable) -> str:
        info = await self._ask(node)
        if info is None:
            return f"{node.node} does not answer"
        if not info["runs"]:
            return f"{node.node} runs no code"
        absent = _absent(info, refused)
        return f"{node.node} {absent}" if absent else f"{node.node} lacks others"


def _absent(info: NodeInfo, refused: Unavailable) -> str:
    """Say what a node lacks of what code was refused for, "" for nothing."""
    newest = max(map(version_of, info["pythons"]))
    if newest < version_of(refused.details.get("python", "")):
        return f"has Python {version_text(newest)}"
    missing: Collection[str] = refused.details.get("packages", ())
    absent = [name for name in missing if name not in info["packages"]]
    return f"has not loaded {', '.join(absent)}" if absent else ""
