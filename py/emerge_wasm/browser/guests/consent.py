"""Asking before code runs here that this browser has not run before: once for each class version, with its source.

Looking at an object never comes here. The page remembers answers (web/app/state/consent.svelte.ts) and answers for the
user what they allowed before. No I/O but the `emit` it is given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from ...bundles import parse, source_of
from ...errors import EmergeError, PermissionDenied

Emit = Callable[..., None]
"""emit(event, **fields)"""

HERE, CLOSED = "tab", "worker"


class Consent:
    """What may run here: bundles, by hash. `always` are those that the page remembers: `+hash` for those that may run
    in the tab itself, `hash` for those that may run closed in only."""

    def __init__(self, emit: Emit, always: Iterable[str] = ()) -> None:
        self._emit = emit
        always = list(always)
        self._known: dict[str, set[str]] = {
            CLOSED: {key.removeprefix("+") for key in always},
            HERE: {key.removeprefix("+") for key in always if key.startswith("+")},
        }
        self._questions: dict[int, asyncio.Future[bool]] = {}
        self._asked: dict[tuple[str, frozenset[str]], tuple[asyncio.Future[bool], list[None]]] = {}
        self._next = 1

    def know(self, hashes: Iterable[str]) -> None:
        """Code that was written in this tab."""
        fresh = set(hashes) - self._known[HERE]
        if fresh:
            self.allow(fresh, HERE)
            self._emit("known", bundles=[f"+{hash}" for hash in sorted(fresh)])

    def allow(self, hashes: Iterable[str], place: str) -> None:
        """What may run in the tab may run closed in, too; not the other way round."""
        self._known[CLOSED].update(hashes)
        if place == HERE:
            self._known[HERE].update(hashes)

    def allows(self, hash: str, place: str) -> bool:
        return hash in self._known[place]

    async def ask(self, pointer: dict[str, Any], bundles: dict[str, bytes], place: str, where: str) -> None:
        """Returns when all these bundles may run. PermissionDenied when the user said no."""
        unknown = {hash: data for hash, data in bundles.items() if not self.allows(hash, place)}
        if not unknown:
            return
        asked = (place, frozenset(unknown))
        if asked not in self._asked:
            self._asked[asked] = self._put(pointer, unknown, bundles, place, where)
        answer, waiting = self._asked[asked]
        waiting.append(None)
        try:
            if not await asyncio.shield(answer):
                raise PermissionDenied(
                    f"you did not let {_name(pointer)} run here",
                    path=_path(pointer),
                    remedy="run it again and answer Run; run(path, method) runs it where it lives",
                )
        finally:
            waiting.pop()
            if not waiting:
                self._take_back(asked, answer)
        self.allow(unknown, place)

    def _put(
        self, pointer: dict[str, Any], unknown: dict[str, bytes], bundles: dict[str, bytes], place: str, where: str
    ) -> tuple[asyncio.Future[bool], list[None]]:
        number, self._next = self._next, self._next + 1
        answer = self._questions[number] = asyncio.get_running_loop().create_future()
        self._emit("question", question=_question(number, pointer, unknown, bundles, place, where))
        return answer, []

    def _take_back(self, asked: tuple[str, frozenset[str]], answer: asyncio.Future[bool]) -> None:
        """Nobody waits for it any more."""
        self._asked.pop(asked, None)
        for number in [number for number, known in self._questions.items() if known is answer]:
            del self._questions[number]
            self._emit("answered", question=number)

    def answer(self, number: int, run: bool) -> None:
        """The user's answer; nothing when nobody waits for it any more."""
        answer = self._questions.get(number)
        if answer is not None and not answer.done():
            answer.set_result(run)


def _question(
    number: int, pointer: dict[str, Any], unknown: dict[str, bytes], bundles: dict[str, bytes], place: str, where: str
) -> dict[str, Any]:
    main = pointer.get("bundle", "")
    order = sorted(unknown, key=lambda hash: hash != main)
    return {
        "id": number,
        "class_name": _name(pointer),
        "bundle": main if main in unknown else order[0],
        "keys": sorted(f"+{hash}" if place == HERE else hash for hash in unknown),
        "owner": pointer.get("owner", ""),
        "path": _path(pointer),
        "where": where,
        "place": place,
        "source": "\n\n".join(_source(hash, bundles) for hash in order),
    }


def _source(hash: str, bundles: dict[str, bytes]) -> str:
    try:
        return source_of(parse(bundles[hash], hash), bundles.get)
    except EmergeError as error:
        return f"# its source cannot be shown: {error.message}"


def _name(pointer: dict[str, Any]) -> str:
    return str(pointer.get("class_name", "")).rpartition(".")[2] or "an expression"


def _path(pointer: dict[str, Any]) -> str:
    directory, name = str(pointer.get("path", "")), str(pointer.get("name", ""))
    return f"{directory.rstrip('/')}/{name}" if name else directory
