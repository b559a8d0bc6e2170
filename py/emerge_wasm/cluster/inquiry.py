"""Asking the cluster who has something and who holds what, and answering others that ask."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from secrets import token_bytes

from ..clients.transports.zeromq import ZeroMQTransport
from ..errors import EmergeError
from ..operations import Context, Dispatch, Values, Wire
from .calls import CALLS
from .peer import Identity, read_texts
from .question import ASK_LIMIT, AskAgain, Holdings, Question, holdings, shown
from .view import View

log = logging.getLogger("emerge.cluster")

Hold = Callable[[list[str], list[str]], Awaitable[tuple[list[str], list[str]]]]
"""(paths, uuids) -> those of them that this node holds."""

HoldBlocks = Callable[[list[str]], Awaitable[list[str]]]
"""names of blocks -> those of them that this node has."""

Show = Callable[[], Awaitable[Wire]]
"""What this node holds."""

CheckSpeaker = Callable[[str, str], None]
"""(uuid, the name of the key that was shown): raises an EmergeError when that is not the node's."""


class Inquiry:
    """The questions that this node asks, and its answers to those of others.

    `say` broadcasts, `link` connects to a node, `patience` is how long answers are waited for.
    """

    def __init__(
        self,
        view: View,
        say: Callable[[Wire], None],
        link: Callable[[Identity], ZeroMQTransport],
        spawn: Callable[[Coroutine[object, object, None], str], object],
        patience: float,
    ) -> None:
        self._view = view
        self._say = say
        self._link = link
        self._spawn = spawn
        self._patience = patience
        self._questions: dict[bytes, Question] = {}
        self._hold: Hold | None = None
        self.hold_blocks: HoldBlocks | None = None
        self._show: Show | None = None
        self._check_speaker: CheckSpeaker = lambda uuid, shown: None

    def serve(
        self, register: Callable[[str, Dispatch], None], hold: Hold, show: Show | None, check_speaker: CheckSpeaker
    ) -> None:
        """Answer by `hold` and `show`."""
        self._hold, self._show, self._check_speaker = hold, show, check_speaker
        register("_cluster_answer", self._on_answer)
        register("_cluster_held", self._on_held)
        register("_cluster_showing", self._on_showing)
        register("_cluster_show", self._on_shown)

    def excuse(self, uuid: str) -> None:
        """Wait for no answers of a node that is gone."""
        for question in self._questions.values():
            question.excuse(uuid)

    # --- asking
    async def whohas(self, whom: Sequence[Identity], paths: list[str], uuids: list[str], blocks: list[str]) -> Holdings:
        """Ask nodes which of the paths, uuids and blocks they hold."""
        more = [blocks] if blocks else []  # what older nodes do not know

        async def again(identity: Identity) -> object:
            return await self._link(identity).call("_cluster_held", [paths, uuids, *more])

        asked: Wire = {"kind": "whohas", "paths": paths, "uuids": uuids, **({"blocks": blocks} if blocks else {})}
        return holdings(await self._ask(whom, asked, again))

    async def show(self, whom: Sequence[Identity]) -> tuple[list[tuple[Identity, Wire]], list[Identity]]:
        """Ask nodes what they hold: their answers, and who gave none."""

        async def again(identity: Identity) -> object:
            return await self._link(identity).call("_cluster_show", [])

        return shown(await self._ask(whom, {"kind": "show"}, again))

    async def _ask(self, whom: Sequence[Identity], asked: Wire, again: AskAgain) -> Question:
        question = Question(whom)
        if not whom:
            return question
        key = token_bytes(12)
        self._questions[key] = question
        try:
            self._say({**asked, "id": key, "uuid": self._view.own.uuid, "asked": [each.uuid for each in whom]})
            await question.wait(self._patience, again)
        finally:
            del self._questions[key]
        return question

    async def _on_answer(self, name: str, args: Values, context: Context) -> None:
        call = CALLS[name].bind(args)
        self._take(call.question, call.node, [call.paths, call.uuids, call.blocks or []], context)

    async def _on_showing(self, name: str, args: Values, context: Context) -> None:
        call = CALLS[name].bind(args)
        self._take(call.question, call.node, call.holding, context)

    def _take(self, key: object, node: str, answer: object, context: Context) -> None:
        self._check_speaker(node, context.principal)
        question = self._questions.get(key) if isinstance(key, bytes) else None
        if question is not None:  # else it comes too late
            question.answer(node, answer)

    # --- answering
    def on_whohas(self, message: Wire, node: str) -> None:
        """A node asks who has something."""
        paths, uuids = read_texts(message["paths"], ASK_LIMIT), read_texts(message["uuids"], ASK_LIMIT)
        blocks, key = read_texts(message.get("blocks", []), ASK_LIMIT), message["id"]
        if self._hold is None:
            return

        async def answer() -> tuple[str, list[object]]:
            return "_cluster_answer", [key, self._view.own.uuid, *await self._held(paths, uuids, blocks)]

        self._reply(message, answer)

    def on_show(self, message: Wire, node: str) -> None:
        """A node asks what this one holds."""
        show, key = self._show, message["id"]
        if show is None:
            return

        async def answer() -> tuple[str, list[object]]:
            return "_cluster_showing", [key, self._view.own.uuid, await show()]

        self._reply(message, answer)

    def _reply(self, message: Wire, answer: Callable[[], Awaitable[tuple[str, list[object]]]]) -> None:
        asker = self._view.peers.get(message["uuid"])
        if asker is not None and self._view.own.uuid in read_texts(message["asked"], ASK_LIMIT):
            self._spawn(self._send(asker.identity, answer), "reply")

    async def _send(self, asker: Identity, answer: Callable[[], Awaitable[tuple[str, list[object]]]]) -> None:
        try:
            await self._link(asker).call(*await answer())
        except EmergeError as error:
            log.warning("node %s asked what this one has, and gets no answer: %s", asker.node, error)

    async def _on_held(self, name: str, args: Values, context: Context) -> list[list[str]]:
        call = CALLS[name].bind(args)
        return await self._held(*(read_texts(each or [], ASK_LIMIT) for each in call))

    async def _held(self, paths: list[str], uuids: list[str], blocks: list[str]) -> list[list[str]]:
        assert self._hold is not None
        found = [*await self._hold(paths, uuids)]
        return [*found, await self.hold_blocks(blocks)] if blocks and self.hold_blocks is not None else found

    async def _on_shown(self, name: str, args: Values, context: Context) -> Wire:
        return await self._show() if self._show is not None else {}
