"""What an engine calls on a worker: the work, whose own errors come back as data.

So an error of the engine always means the engine.
"""

from __future__ import annotations

import traceback
from typing import cast

from ..clients.engine import WorkerFunction
from ..errors import EmergeError, ExecutionFailed, error_from_wire
from ..results import ErrorRow

WorkOutcome = tuple[bool, object]
"""Whether work succeeded, and its result or its error as plain data."""


def call_work(work: WorkerFunction, item: object) -> WorkOutcome:
    """Do the work on an item: whether it succeeded, and its result or its error."""
    try:
        return True, work(item)
    except EmergeError as error:
        return False, error.to_wire()
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        return False, ExecutionFailed(text, traceback=traceback.format_exc()).to_wire()


def result_of(outcome: WorkOutcome) -> object:
    """Return the result of work that was done on a worker; raise its error."""
    done, value = outcome
    if done:
        return value
    raise error_from_wire(cast(ErrorRow, value))
