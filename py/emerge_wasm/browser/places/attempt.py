"""A deed of the page, which may ask for it again since its answer was lost: by the deed's id each change is made once.

The changes of a deed are numbered, by operation and path, as they succeed: who does the deed again from its beginning
makes the same calls, and each that was done is answered with what is recorded of it. An id binds a call to one
transaction of one filesystem; what is refused for that is asked for without: nothing of it was done. Imports no js.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256
from typing import NamedTuple, cast

from ...codec import decode, encode
from ...errors import Invalid, LimitExceeded, Unavailable
from ...operations import Transport, Values, Wire, find_operation
from ...results import CallInfo, PointerRow

ONCE = frozenset(
    {
        "chmod",
        "chown",
        "cp",
        "graphql",
        "load",
        "mkdir",
        "mv",
        "putfile",
        "query",
        "restore",
        "rm",
        "run",
        "runstream",
        "store",
        "storeall",
        "update",
    }
)
"""The changes that a deed makes once. Blocks of files, and what prepares an index, can be repeated as they are."""

BOUNDS = frozenset({"largest_batch", "recorded result", "transaction", "transactions"})
"""What a transaction, and the record of a call, may not exceed."""

AGAIN = "ask for it again: what was done is not done twice"


class Attempt:
    """A deed that is being done. `again`: it was asked for before, and what became of that is not known."""

    def __init__(self, id: str, again: bool) -> None:
        self.id, self.again = id, again
        self._made: Counter[str] = Counter()

    def call_id(self, name: str, path: str) -> str:
        """Return the id of the next call of that name for a path."""
        key = f"{name} {path}"
        return f"{self.id[:100]} {sha256(f'{key} {self._made[key]}'.encode()).hexdigest()[:32]}"

    def count(self, name: str, path: str) -> None:
        """Note that such a call was made."""
        self._made[f"{name} {path}"] += 1


ATTEMPT: ContextVar[Attempt | None] = ContextVar("attempt", default=None)
"""The deed that a task belongs to; None: a request that is no deed."""


class Recalled(NamedTuple):
    """A call that an earlier attempt has made: the pointer that came of it, and what was noted with it."""

    result: PointerRow
    note: Wire | None


@contextmanager
def attempt(made: Attempt | None) -> Iterator[None]:
    """Make the changes of the block a deed."""
    token = ATTEMPT.set(made)
    try:
        yield
    finally:
        ATTEMPT.reset(token)


@contextmanager
def step(number: int) -> Iterator[None]:
    """Number the changes of the block apart from those of other steps of the deed."""
    made = ATTEMPT.get()
    with attempt(made and Attempt(f"{made.id} {number}", made.again)):
        yield


def noting(note: Mapping[str, object]) -> Wire:
    """Return the context of a call with which this is noted, to be recalled when its deed is asked for again."""
    return {"call_note": encode(dict(note))} if ATTEMPT.get() is not None else {}


async def call_once(transport: Transport, name: str, args: Values, context: Wire | None) -> object:
    """Make a call, once if it belongs to a deed and can be recorded."""
    made = ATTEMPT.get()
    if made is None:
        return await transport.call(name, args, context)
    try:
        return await _call_once(made, transport, name, args, context)
    except Unavailable as error:
        raise _left_open(error) from None


async def _call_once(made: Attempt, transport: Transport, name: str, args: Values, context: Wire | None) -> object:
    reads = name == "graphql" and "mutation" not in find_operation(name).bind(args).query  # and leaves no record
    if name not in ONCE or reads:
        return await transport.call(name, args, context)
    path = _path(args)
    try:
        answer: object = await transport.call(name, args, {**(context or {}), "call_id": made.call_id(name, path)})
    except (Invalid, LimitExceeded) as error:
        if not error.details.get("apart") and error.details.get("limit") not in BOUNDS:
            raise
        return await transport.call(name, args, {k: v for k, v in (context or {}).items() if k != "call_note"} or None)
    made.count(name, path)
    return answer


async def stream_once(
    transport: Transport, name: str, args: Values, context: Wire | None
) -> AsyncGenerator[object, None]:
    """Make a call whose answer is streamed, once if it belongs to a deed: of what was done the result comes again."""
    made = ATTEMPT.get()
    if made is not None and name in ONCE:
        context = {**(context or {}), "call_id": made.call_id(name, _path(args))}
    items = transport.stream(name, args, context)
    try:
        async for item in items:
            yield item
    except Unavailable as error:
        raise (error if made is None else _left_open(error)) from None
    finally:
        if isinstance(items, AsyncGenerator):
            await items.aclose()
    if made is not None:
        made.count(name, _path(args))


def _left_open(error: Unavailable) -> Unavailable:
    """Return the error of a deed's call with what to do where it is not known what became of it."""
    if not error.details.get("unknown"):
        return error
    return Unavailable(error.message, path=error.path, remedy=AGAIN, **error.details)


async def recall(transport: Transport, name: str, path: str, *, at: str = "") -> Recalled | None:
    """Return what is recorded of the deed's next call of that name for a path, which counts as made then.

    `at` is a path of the filesystem that has the record, where the call is for none. None: it was not made.
    """
    made = ATTEMPT.get()
    if made is None or not made.again:
        return None
    found: CallInfo = await transport.call("recall", [at or path, made.call_id(name, path)])
    if not found["known"]:
        return None
    made.count(name, path)
    return Recalled(cast("PointerRow", found["result"]), decode(found["note"]) if found["note"] else None)


def _path(args: Values) -> str:
    first, *_ = [*args, ""]
    return first if isinstance(first, str) else ""
