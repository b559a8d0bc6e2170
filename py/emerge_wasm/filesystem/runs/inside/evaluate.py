"""Evaluates an expression on many objects in this process: the part of a search that needs shipped code.

Runs where `execute` does (a sandbox's worker, a browser tab), and like it leaves limits of time and memory to the
caller. Uses no processes, signals or sockets.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from ....bundles import capture as capture_class
from ....bundles.load_expression import load_expression
from ....codec import decode, encode
from ....errors import EmergeError, ExecutionFailed, LimitExceeded
from ...runner import EvaluateCall, EvaluateOutcome, RunCall
from .caller_clock import caller_clock
from .capture import PART, Stop, capture
from .execute import Execution, RunLimits
from .failure import Raised, describe, format_trace

_SCALARS = frozenset({type(None), bool, int, float})
_EMPTY = frozenset({str, bytes, list, tuple, dict, set, frozenset, Decimal, complex, timedelta})


def evaluate_rows(
    call: EvaluateCall, limits: RunLimits | None = None, begin_row: Callable[[], None] | None = None
) -> EvaluateOutcome:
    """Evaluate the expression on each row and return the values as plain data.

    Instances become records (False when they are false); a value that is not data (a match, a method) becomes its
    truth value. An exception on a row is that row's error, as is a Stop of a PART. A class that cannot be loaded is
    tried once. `begin_row` is called before each row.

    Raises:
        LimitExceeded: too much was printed or returned.
        EmergeError: the expression cannot be loaded (see `load`).
    """
    limits = limits or RunLimits()
    outcome = EvaluateOutcome([])
    room = limits.result
    try:
        with capture(limits.output) as output, caller_clock(call.clock, call.bundles) as cover:
            rows = _Rows(_function(call), call, limits, cover)
            for number, (pointer, state) in enumerate(call.rows):
                try:
                    if begin_row is not None:
                        begin_row()
                    value, size = _plain(rows.value(pointer, state))
                except MemoryError:
                    raise
                except Exception as error:
                    value, size = None, 0
                    outcome.errors[number] = rows.note(pointer, _told(error))
                except Stop as stop:
                    if stop.limit != PART:
                        raise
                    value, size = None, 0
                    outcome.errors[number] = rows.note(pointer, f"LimitExceeded: {stop.message}")
                output.check()
                outcome.values.append(value)
                room -= size
                if room < 0:
                    raise LimitExceeded(f"the values are larger than {limits.result} bytes", limit="result")
    except Stop as stop:
        raise LimitExceeded(f"the expression: {stop.message}", limit=stop.limit) from None
    except MemoryError:
        raise LimitExceeded("the expression needs more memory than it may have", limit="memory") from None
    return outcome


def _function(call: EvaluateCall) -> Callable[[Any], Any]:
    try:
        return load_expression(call.expression, call.bundles.get)
    except EmergeError:
        raise
    except Exception as error:
        raise ExecutionFailed(
            f"the expression cannot be loaded: {describe(error)}", traceback=format_trace(error)
        ) from None


class _Known(Exception):
    """Raised for a class that could not be loaded before, with the error of that time."""


@dataclass(slots=True)
class _Rows:
    """Applies the expression to rows. `classes`: those loaded, by bundle, or why they could not be."""

    function: Callable[[Any], Any]
    call: EvaluateCall
    limits: RunLimits
    cover: Callable[[type], None]
    classes: dict[object, type | str] = field(default_factory=dict)

    def value(self, pointer: Mapping[str, Any], state: bytes) -> Any:
        call = self.call
        path = str(pointer.get("path", ""))
        row = RunCall(path, pointer, state, call.bundles, "", [], {}, call.timeout, call.principal)
        execution = Execution(row, self.limits)
        cls = self.classes.get(pointer.get("bundle"))
        if cls is None:
            cls = execution.load_class()
            self.cover(cls)
            self.classes[pointer.get("bundle")] = cls
        if isinstance(cls, str):
            raise _Known(cls)
        return self.function(execution.unpack(cls))

    def note(self, pointer: Mapping[str, Any], error: str) -> str:
        """Return the error of a row, and keep it where its class was not loaded."""
        self.classes.setdefault(pointer.get("bundle"), error)
        return error


def _plain(value: Any) -> tuple[Any, int]:
    """Return the value as plain data, and its approximate size in bytes."""
    if type(value) in _SCALARS:
        return value, 16
    if inspect.iscoroutine(value):
        value.close()
        raise TypeError("the expression gives a coroutine: it cannot await")
    if not value:  # a false instance (by its class's `__bool__`) would be true as a record
        return (value if type(value) in _EMPTY else False), 16
    try:
        data = encode(value, bundle_of=lambda cls: capture_class(cls)[-1].hash)
    except EmergeError:  # not data: only its truth value can be sent
        return True, 16
    return decode(data), len(data)


def _told(error: Exception) -> str:
    """Return the error's text; where the object could not be unpacked, the reason."""
    if isinstance(error, _Known):
        return str(error)
    if isinstance(error, Raised):
        return f"{error.message}: {describe(error.error)}" if error.message else describe(error.error)
    return describe(error)
