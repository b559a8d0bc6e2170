"""Evaluate expressions over pages of objects in the runner, with all bundles that they need.

Also reads the shapes of classes, which takes no shipped code. Must not import shipped code: only the runner does.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from ...bundles import Bundle, parse
from ...codec import bundles_in, encode
from ...context import Context, asker
from ...errors import EmergeError, ExecutionFailed, Invalid, NotFound, Unavailable
from ...operations import Wire
from ...query.shape import Shape, known_shape, shape_of
from ..core import Core
from ..execution import EXECUTION, is_lacking
from ..indexes.class_shape import read_shape
from ..runner import EvaluateCall, EvaluateOutcome, Runner
from .candidate import Candidate
from .cursor import timed

log = logging.getLogger("emerge.filesystem")

NO_VALUES = encode({})


class Evaluation:
    """Evaluates expressions for one call and one caller. `sent`: bundles that came with the call, by hash."""

    def __init__(self, core: Core, context: Context, sent: dict[str, bytes] | None) -> None:
        """Parse the bundles. Raises Invalid for one that does not match its hash."""
        self._core = core
        self._caller = context
        self.ran = False  # whether code was asked for
        self._held: dict[str, Bundle | None] = {hash: parse(data, hash) for hash, data in (sent or {}).items() if data}

    @property
    def caller(self) -> Context:
        """The caller's context with its clock: this process's, if it has none, from when it is first asked for."""
        if self._caller.clock is None:
            self._caller = timed(self._caller)
        return self._caller

    async def values(self, expression: Wire, rows: Sequence[Candidate], why: str) -> EvaluateOutcome:
        """Evaluate an expression for each row. Where a class cannot be loaded, that is its objects' error.

        Raises:
            Unavailable: this filesystem runs no code; the message says `why` it is needed.
        """
        self.ran = True
        execution = EXECUTION.of(self._core)
        if execution.runner is None:
            raise Unavailable(
                f"this filesystem runs no code, which this search needs: {why}",
                remedy="search by what the objects' fields hold, or get the objects and look through them there",
            )
        expression = {"values": NO_VALUES, "bundle": "", **expression}
        own = await self._own(expression["bundle"])
        groups: dict[frozenset[str], list[int]] = {}
        for number, each in enumerate(rows):
            groups.setdefault(frozenset({each.entry.bundle, *bundles_in(each.state or b"")}), []).append(number)
        outcome = EvaluateOutcome([None] * len(rows))
        for hashes, numbers in groups.items():  # apart: no class can falsify another's results
            known = [
                (each.entry.wire(each.directory, self._core.node), each.state or b"")
                for each in map(rows.__getitem__, numbers)
            ]
            theirs = await self.find(set(hashes) - {""})
            caller = self.caller
            call = EvaluateCall(expression, known, {**theirs, **own}, execution.timeout, asker(caller), caller.clock)
            try:
                part = await execution.evaluate(execution.runner, call, caller)
            except EmergeError as error:
                if not (theirs and _may_be_theirs(error) and await _fails(execution.runner, call, theirs)):
                    raise
                outcome.errors.update(dict.fromkeys(numbers, f"{error.code}: {error.message}"))
                continue
            for number, value in zip(numbers, part.values, strict=True):
                outcome.values[number] = value
            outcome.errors.update({numbers[row]: error for row, error in part.errors.items()})
        return outcome

    async def _own(self, hash: str) -> dict[str, bytes]:
        """Load the bundles of an expression. Raises NotFound with the missing hashes, so that the client sends them."""
        found = await self.find({hash} - {""})
        needed = {hash, *(need for each in found for need in self._requires(each))} - {""}
        if missing := sorted(needed - set(found)):
            raise NotFound("what this predicate uses is not known here", remedy="send it along", bundles=missing)
        return found

    def _requires(self, hash: str) -> tuple[str, ...]:
        bundle = self._held.get(hash)
        return () if bundle is None else bundle.requires

    async def find(self, hashes: set[str]) -> dict[str, bytes]:
        """Load these bundles and all that they require, by hash; absent ones are left out."""
        found: dict[str, bytes] = {}
        wanted = {*hashes}
        while wanted:
            fresh = [bundle for hash in wanted if (bundle := await self.bundle(hash)) is not None]
            found |= {bundle.hash: bundle.data for bundle in fresh}
            wanted = {hash for bundle in fresh for hash in bundle.requires if hash not in found}
        return found

    async def shapes(self, classes: set[tuple[str, str]]) -> dict[tuple[str, str], Shape]:
        """Return the shapes of these classes, which are given as (bundle hash, class name)."""
        found: dict[tuple[str, str], Shape] = {}
        for hash, name in classes:
            if not hash or known_shape(hash) is None:
                bundles = await self.find({hash} - {""})
                found[hash, name] = await read_shape(hash, bundles, name)
            else:
                found[hash, name] = shape_of(hash, _nothing, name)
        return found

    async def bundle(self, hash: str) -> Bundle | None:
        """Return a bundle that came with the call or is in the store; None if it is in neither."""
        if hash not in self._held:
            raw = (await self._core.store.get([("bundles", hash.encode())]))[0]
            self._held[hash] = None if raw is None else _read(raw, hash)
        return self._held[hash]


def _read(raw: bytes, hash: str) -> Bundle | None:
    try:
        return parse(raw, hash)
    except EmergeError as error:  # its objects cannot be loaded; the others can
        log.warning("the class bundle %s cannot be read: %s", hash, error.message)
        return None


_LIMITS = frozenset({"memory", "output", "processor time", "wall time"})


def _may_be_theirs(error: EmergeError) -> bool:
    """Whether loading a class, rather than the expression or the sandbox's state, may have caused an error."""
    if isinstance(error, Unavailable):
        return is_lacking(error)
    return isinstance(error, ExecutionFailed | Invalid) or error.details.get("limit") in _LIMITS


async def _fails(runner: Runner, call: EvaluateCall, bundles: dict[str, bytes]) -> bool:
    """Whether an object of these classes cannot even be made."""
    nothing: Wire = {"text": "lambda o: None", "values": NO_VALUES, "bundle": ""}
    try:
        made = await runner.evaluate(replace(call, expression=nothing, rows=call.rows[:1], bundles=bundles))
    except EmergeError as error:
        return _may_be_theirs(error)
    return bool(made.errors)


def _nothing(hash: str) -> None:
    """Find no bundle: a known shape needs none."""


def field_expression(field: str) -> Wire:
    """Return the expression that reads a field of an object."""
    return {"text": f"lambda o: o.{field}", "values": encode({}), "bundle": ""}
