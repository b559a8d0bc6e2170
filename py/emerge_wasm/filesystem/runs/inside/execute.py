"""Runs one method of one object in this process: shared by the sandbox's worker, `--local` and the browser.

The caller decides whether this process may run shipped code at all, and enforces limits that need processes, signals
or sockets (wall time, memory): none are used here. The caller also supplies the filesystem that a method gets as `fs`
(see `Given`), so that this layer does not depend on the clients.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, ItemsView, Iterator, KeysView, ValuesView
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field, fields
from hashlib import sha256
from io import IOBase
from typing import Any

from ....built_in import BUILT_IN
from ....bundles import capture as capture_class
from ....bundles import load
from ....bundles.registry import is_class_of
from ....codec import decode, encode, native, pack_state, unpack_state
from ....codec.encoder import PLAIN
from ....errors import CannotShip, EmergeError, Invalid, LimitExceeded
from ....objects import METADATA, EmergeFile
from ....sync import IN_PYODIDE
from ...runner import KEEP, MERGE, READ, RunCall, RunOutcome
from .capture import Output, capture
from .failure import fault, user_code
from .method import Given, find_method, takes
from .parts import Give, KeptParts, pour
from .result import keep

PASSED = (KeyboardInterrupt, asyncio.CancelledError)
_LISTED = (Iterator, KeysView, ValuesView, ItemsView)
_AT_HAND = PLAIN | {dict, list, set, tuple}
"""Types of which nothing has to be awaited or iterated; to ask for that is dear."""


@dataclass(frozen=True, slots=True)
class RunLimits:
    """Limits of a call: `output` printed characters, `result` encoded bytes, `items` drained from an iterator."""

    output: int = 1 << 20
    result: int = 16 << 20
    items: int = 100_000


@dataclass(slots=True)
class Execution:
    """One call in separate steps, so that the caller can choose how to wait for an awaitable in the middle."""

    call: RunCall
    limits: RunLimits
    given: Given = field(default_factory=dict)
    instance: Any = None

    def start(self) -> Any:
        """Load the class, unpack the object and call the method. The value may still have to be awaited."""
        call = self.call
        cls = self.load_class()
        self.instance = self.unpack(cls)
        if call.method.startswith(MERGE):
            return self._merge(cls, call.method.removeprefix(MERGE))
        method = find_method(cls, call.title, call.path)
        return method.invoke(self.instance, native(call.args), native(call.kwargs), self.given)

    def wants_given(self) -> bool:
        """Return whether the method has a parameter named in `given`; False if there is no such method."""
        try:
            return bool(self.given) and takes(inspect.getattr_static(self.load_class(), self.call.title), self.given)
        except Exception:  # `start` raises it again, where it is reported
            return False

    def _merge(self, cls: type, name: str) -> Any:
        """Call the merge rule of a field (a function, or the name of a static method) with the arguments."""
        with user_code():
            rule = next((each.metadata.get("merge") for each in fields(cls) if each.name == name), None)
            function = getattr(cls, rule, None) if isinstance(rule, str) else rule
            if not callable(function):
                raise Invalid(f"{cls.__name__}.{name} has no merge rule {rule!r}", path=self.call.path)
            return function(*native(self.call.args))

    def load_class(self) -> type:
        bundle = self.call.pointer.get("bundle")
        return self._load(bundle) if bundle else BUILT_IN.get(self.call.pointer.get("class_name", ""), EmergeFile)

    def unpack(self, cls: type) -> Any:
        with user_code("its state does not fit its class"):
            obj = unpack_state(self.call.state, cls, lambda bundle, name: self._load(bundle))
            for name in METADATA:
                object.__setattr__(obj, name, self.call.pointer[name])
            return obj

    def _load(self, bundle: str) -> type:
        with user_code("its class cannot be loaded"):
            return load(bundle, self.call.bundles.get)

    def must_settle(self, value: object) -> bool:
        """Return whether `settle` must be awaited before `finish`."""
        if self.call.method.startswith(READ):
            return True
        return type(value) not in _AT_HAND and (inspect.isawaitable(value) or isinstance(value, AsyncIterator))

    async def settle(self, value: Any, give: Give | None = None) -> Any:
        """Await an awaitable and collect an asynchronous iterator into a list; give what is read in parts."""
        with user_code():
            if self.call.method.startswith(READ):
                return await self._read(value, give)
            if inspect.isawaitable(value):
                value = await value
            return await self._collect(value) if isinstance(value, AsyncIterator) else value

    async def _read(self, value: object, give: Give | None) -> bytes | None:
        if give is not None:
            await pour(value, give)
            return None
        collected = KeptParts(self.limits.result)
        await pour(value, collected.give)
        return bytes(collected.data)

    async def _collect(self, items: AsyncIterator[Any]) -> list[Any]:
        drain = _Drain(self.limits)
        async for item in items:
            drain.add(item)
        return drain.items

    def finish(self, value: Any) -> tuple[bytes, bytes | None]:
        """Return the encoded result, and the encoded state if the call changed it."""
        if type(value) not in _AT_HAND and isinstance(value, _LISTED) and not isinstance(value, IOBase):
            with user_code():
                value = self._list(value)
        if self.call.method.startswith(KEEP):
            with user_code():
                value = keep(self.instance, value)
        return self.encode_result(value), self.changed_state()

    def _list(self, items: Any) -> list[Any]:
        drain = _Drain(self.limits)
        for item in items:
            drain.add(item)
        return drain.items

    def encode_result(self, value: Any) -> bytes:
        name = f"{self.call.pointer.get('class_name') or 'the object'}.{self.call.title}"
        with user_code():
            try:
                data = encode(value, bundle_of=_bundle_of)
            except LimitExceeded as error:
                raise (_too_large(self.limits) if error.details.get("limit") == "size" else error) from None
            except EmergeError as error:
                raise CannotShip(
                    f"the result of {name} cannot be written: {error.message}",
                    path=self.call.path,
                    remedy=error.remedy or "return plain data or a dataclass",
                ) from None
        if len(data) > self.limits.result:
            raise _too_large(self.limits)
        return data

    def changed_state(self) -> bytes | None:
        """Return the state after the call; None when it is unchanged, or old state was only completed by defaults."""
        with user_code():
            after = self.pack(self.instance)
            if after == self.call.state or after == self.pack(self.unpack(type(self.instance))):
                return None
        return after

    def pack(self, instance: Any) -> bytes:
        return pack_state(instance, self._own_bundle_of)

    def _own_bundle_of(self, cls: type) -> str:
        """Return the bundle of a class in the state, which must be one of those stored with the object's class."""
        bundle = _bundle_of(cls)
        if bundle not in self.call.bundles:  # the same code may have come under another hash
            bundle = next((hash for hash in self.call.bundles if is_class_of(cls, hash)), "")
        if not bundle:
            raise CannotShip(
                f"{self.call.title} put a {cls.__name__} into the state, a class that its own does not name",
                path=self.call.path,
                remedy=f"refer to {cls.__name__} in the class itself (an annotation will do), and store it anew",
            )
        return bundle


def _bundle_of(cls: type) -> str:
    return capture_class(cls)[-1].hash


class _Drain:
    """Collects the items of an iterator, and stops an endless one before it fills the memory."""

    def __init__(self, limits: RunLimits) -> None:
        self.limits = limits
        self.items: list[Any] = []
        self.size = 0

    def add(self, item: Any) -> None:
        if len(self.items) >= self.limits.items:
            raise LimitExceeded(f"it yielded more than {self.limits.items} items", limit="result")
        self.size += len(encode(item, bundle_of=_bundle_of))
        if self.size > self.limits.result:
            raise _too_large(self.limits)
        self.items.append(item)


def _too_large(limits: RunLimits) -> LimitExceeded:
    return LimitExceeded(
        f"the result is larger than {limits.result} bytes",
        limit="result",
        remedy="return less, or give it in parts by a method `read`, as files are read",
    )


@dataclass(slots=True)
class Encoded:
    """An outcome whose result is still encoded: the form in which it leaves a worker."""

    result: bytes
    state: bytes | None
    output: str
    milliseconds: float


def execute_encoded(
    call: RunCall,
    wait: Callable[[Coroutine[Any, Any, Any]], Any],
    limits: RunLimits,
    given: Given | None = None,
    tell: Callable[[str], None] | None = None,
    give: Give | None = None,
) -> Encoded:
    """Run a call without an event loop; `wait` runs one if the method is asynchronous.

    `tell` gets each piece of text as it is printed, `give` each part of what is read.
    """
    execution = Execution(call, limits, given or {})
    started = time.perf_counter()
    with capture(limits.output, tell) as output:
        try:
            value = execution.start()
            if execution.must_settle(value):
                value = wait(execution.settle(value, give))
            return _outcome(execution, value, output, started)
        except BaseException as error:
            raise fault(error, call, output.text()) from None


async def execute(
    call: RunCall,
    limits: RunLimits | None = None,
    given: Given | None = None,
    tell: Callable[[str], None] | None = None,
    give: Give | None = None,
) -> RunOutcome:
    """Run a call in this event loop. Raises as `Runner.run` does; KeyboardInterrupt (Stop) passes.

    A method that takes a filesystem blocks on it, so on CPython it runs in a thread of its own, which this loop serves.
    """
    limits = limits or RunLimits()
    execution = Execution(call, limits, given or {})
    if not IN_PYODIDE and execution.wants_given():
        return _decoded(await _in_thread(call, limits, given, tell, give))
    started = time.perf_counter()
    with capture(limits.output, tell) as output:
        try:
            value = execution.start()
            if execution.must_settle(value):
                value = await execution.settle(value, give)
            done = _outcome(execution, value, output, started)
        except PASSED:
            raise
        except BaseException as error:
            raise fault(error, call, output.text()) from None
    return _decoded(done)


def _outcome(execution: Execution, value: Any, output: Output, started: float) -> Encoded:
    output.check()
    result, state = execution.finish(value)
    output.check()
    return Encoded(result, state, output.text(), (time.perf_counter() - started) * 1000)


def _decoded(done: Encoded) -> RunOutcome:
    digest = sha256(done.result).hexdigest()
    return RunOutcome(decode(done.result), done.state, done.output, done.milliseconds, digest)


async def _in_thread(
    call: RunCall,
    limits: RunLimits,
    given: Given | None,
    tell: Callable[[str], None] | None,
    give: Give | None,
) -> Encoded:
    """Run a call in a new thread. The loop's own threads are few, and nested calls that wait for one would deadlock."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Encoded] = loop.create_future()
    told = None if tell is None else lambda text: _post(loop, lambda: tell(text))

    async def hand(part: bytes) -> None:
        assert give is not None
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_given(give, part), loop))

    def settle(result: Encoded | BaseException) -> None:
        if done.cancelled():
            return
        done.set_exception(result) if isinstance(result, BaseException) else done.set_result(result)

    def work() -> None:
        try:
            result: Encoded | BaseException = execute_encoded(
                call, asyncio.run, limits, given, told, None if give is None else hand
            )
        except BaseException as error:
            result = error
        _post(loop, lambda: settle(result))

    threading.Thread(target=copy_context().run, args=(work,), name="emerge-run", daemon=True).start()
    return await done


async def _given(give: Give, part: bytes) -> None:
    await give(part)


def _post(loop: asyncio.AbstractEventLoop, work: Callable[[], Any]) -> None:
    with suppress(RuntimeError):  # the loop was closed, so nothing waits for the result
        loop.call_soon_threadsafe(work)
