"""A change that the page may ask for again, since its answer was lost: it has an id, by which it is made once.

An id binds a call to one transaction of one filesystem. What is refused for that is asked for without: nothing of it
was done. Imports no js.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import cast

from ...errors import Invalid, LimitExceeded, Unavailable
from ...operations import Transport, Values, Wire
from ...results import CallInfo, PointerRow

ATTEMPT: ContextVar[str] = ContextVar("attempt", default="")
"""The id of the change that is being made; "": it has none."""

ONCE = frozenset({"cp", "mkdir", "mv", "rm", "store"})
"""What is made once. A run keeps a receipt; what is edited says which version it saw."""

BOUNDS = frozenset({"largest_batch", "transaction", "transactions"})
"""What a transaction may not exceed."""

AGAIN = "ask for it again: what was done is not done twice"


@contextmanager
def attempt(id: str) -> Iterator[None]:
    """Give the changes of the block this id."""
    token = ATTEMPT.set(id)
    try:
        yield
    finally:
        ATTEMPT.reset(token)


async def call_once(transport: Transport, name: str, args: Values, context: Wire | None) -> object:
    """Make a call, once if it has an id and can be recorded."""
    id = ATTEMPT.get()
    if not id or name not in ONCE:
        answer: object = await transport.call(name, args, context)
        return answer
    try:
        return await transport.call(name, args, {**(context or {}), "call_id": id})
    except (Invalid, LimitExceeded) as error:
        if not error.details.get("apart") and error.details.get("limit") not in BOUNDS:
            raise
        return await transport.call(name, args, context)
    except Unavailable as error:
        if error.details.get("unknown"):
            raise Unavailable(error.message, path=error.path, remedy=AGAIN, **error.details) from None
        raise


async def made_before(transport: Transport, path: str) -> PointerRow | None:
    """Return the pointer of what an earlier attempt made there; None: it made nothing."""
    id = ATTEMPT.get()
    if not id:
        return None
    found: CallInfo = await transport.call("recall", [path, id])
    return cast(PointerRow, found["result"]) if found["known"] else None
