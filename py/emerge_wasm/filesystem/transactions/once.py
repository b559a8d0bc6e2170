"""Do a call that has an id once: in a transaction of its own, which is committed with the record of the call.

So all that the call changes is made at once, or none of it: also what a method that it runs changes through `fs`.
"""

from __future__ import annotations

import random
from asyncio import sleep
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar, cast

from ...context import Context
from ...errors import Conflict, EmergeError, Invalid, LimitExceeded
from ...operations import Answer, find_operation
from ...store import Batch
from ..commit import ATTEMPTS, LONGEST_PAUSE, commit_batch
from ..core import Core
from ..indexes.definitions import read_catalogue
from .call_record import CALL_LOCKS, Call, prune, target_of
from .seen import TransactionOvertaken
from .transaction import OUTSIDE, TRANSACTIONS, OperationHandler, call_inside, settle_all

T = TypeVar("T")

PAUSE = 0.005
"""Seconds, about, before a call that was overtaken is done again; doubled each time."""

EVERY_TIME = OUTSIDE | {"query", "runstream"}
"""Operations that can be repeated as they are, and those that take care of their ids themselves."""


def call_once(core: Core, context: Context, name: str, handler: OperationHandler, args: Sequence[object]) -> Answer:
    """Run an operation, unless it has been done under its call's id; return its result, or the recorded one.

    Raises:
        Invalid: the operation cannot have an id, or the id is that of another call.
    """
    row = find_operation(name)
    if not row.recorded:
        raise Invalid(
            f"{name} is not done once: it makes several changes", remedy="leave the call id out, or call run, or update"
        )
    call = Call.of(context, name, target_of([each.name for each in row.parameters], args))
    if context.transaction:
        return call_inside(core, context, _recorded(call, handler), args)
    return _alone(core, context, call, handler, args)


async def answer_once(core: Core, context: Context, name: str, path: str, work: Coroutine[object, None, T]) -> T:
    """Do work whose changes have ids of their own, unless it has been answered under its call's id: then answer so."""
    call = Call.of(context, name, path)
    async with CALL_LOCKS.of(core).hold(call.digest):
        known = await call.read(core)
        if known is not None:
            work.close()
            return cast("T", known.result)
        result = await work
        batch = Batch()
        await prune(core, batch, call.digest)
        with suppress(LimitExceeded):  # then its changes alone are recorded
            call.put(core, batch, result)
        await commit_batch(core, batch)
    return result


def _recorded(call: Call, handler: OperationHandler) -> OperationHandler:
    """Make a handler that is run in the caller's transaction, and whose record is part of that."""

    async def work(inside: Core, context: Context, *args: object) -> object:
        known = await call.read(inside)
        if known is not None:
            return known.result
        result: object = await handler(inside, replace(context, call_id="", call_note=b""), *args)
        batch = Batch()
        call.put(inside, batch, result)
        await inside.store.commit(batch)
        return result

    return work


async def _alone(core: Core, context: Context, call: Call, handler: OperationHandler, args: Sequence[object]) -> object:
    async with CALL_LOCKS.of(core).hold(call.digest):
        for turn in range(ATTEMPTS):
            known = await call.read(core)
            if known is not None:
                await core.acknowledge(core.position)
                return known.result
            try:
                return await _attempt(core, context, call, handler, args)
            except TransactionOvertaken:
                await read_catalogue(core)
            await sleep(min(random.uniform(0, PAUSE * 2**turn), LONGEST_PAUSE))
    raise Conflict(
        f"{call.operation} {call.target} meets changes by too many at once",
        path=call.target or None,
        remedy="try again",
    )


async def _attempt(
    core: Core, context: Context, call: Call, handler: OperationHandler, args: Sequence[object]
) -> object:
    opened = TRANSACTIONS.of(core)
    made = opened.add(core, context, "", 1, pinned=True)
    inside = replace(context, transaction=made.name, call_id="", call_note=b"")
    try:
        async with opened.turn(inside, made.name):
            result = await handler(made.core, inside, *args)
            try:
                positions, result = await settle_all(core, made, call, result)
            except Conflict as error:
                raise TransactionOvertaken(error.details["space"], error.details["key"]) from None
    except EmergeError as error:
        if made.is_overtaken:
            raise TransactionOvertaken("", b"") from error
        raise
    finally:
        opened.remove(made)
        await made.overlay.close()
    await core.made(positions)
    return result
