"""The one tree of errors. Each keeps its code across every wire, names the path and says what to do.

Every layer raises these, so this imports nothing of ours but the types of results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from .results import ErrorRow

__all__ = [
    "CannotShip",
    "Conflict",
    "EmergeError",
    "ExecutionFailed",
    "InconsistentAnswer",
    "Invalid",
    "LimitExceeded",
    "NotFound",
    "PartialAnswer",
    "PermissionDenied",
    "StaleAnswer",
    "Unavailable",
    "WrongBytes",
    "error_from_wire",
]


class EmergeError(Exception):
    """Base of all Emerge errors.

    `message` says what is wrong, `path` names the object (or None), `remedy` says what to do about it,
    `details` is plain data that a program can use (it crosses the wire as msgpack).
    """

    code: ClassVar[str] = "Error"

    def __init__(self, message: str, *, path: str | None = None, remedy: str | None = None, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.remedy = remedy
        self.details: dict[str, Any] = details

    def __str__(self) -> str:
        return f"{self.message} ({self.remedy})" if self.remedy else self.message

    def to_wire(self) -> ErrorRow:
        """Return plain data from which `error_from_wire` makes the same error again."""
        return {
            "code": self.code,
            "message": self.message,
            "path": self.path,
            "remedy": self.remedy,
            "details": self.details,
        }


class NotFound(EmergeError, LookupError):
    """Nothing is at that path (or has that uuid, version, method, class)."""

    code = "NotFound"


class Conflict(EmergeError):
    """Somebody else changed it since it was read. `details` may hold `theirs`, `mine` (states) and `version`."""

    code = "Conflict"


class PermissionDenied(EmergeError):
    """The principal has no right to do that."""

    code = "PermissionDenied"


class Invalid(EmergeError, ValueError):
    """The request itself is wrong: a bad path, argument, type or format."""

    code = "Invalid"


class CannotShip(EmergeError, TypeError):
    """The class or value cannot travel: no source, an open file, an unimportable helper."""

    code = "CannotShip"


class ExecutionFailed(EmergeError):
    """Shipped code raised. `details["traceback"]` is its traceback with the shipped lines."""

    code = "ExecutionFailed"

    def __str__(self) -> str:
        trace = self.details.get("traceback")
        return f"{super().__str__()}\n{trace}" if trace else super().__str__()


class Unavailable(EmergeError):
    """What was asked cannot be reached now; trying again later may help."""

    code = "Unavailable"


class LimitExceeded(EmergeError):
    """A declared limit was reached. `details["limit"]` is its name."""

    code = "LimitExceeded"


_BY_CODE: dict[str, type[EmergeError]] = {
    kind.code: kind
    for kind in (
        NotFound,
        Conflict,
        PermissionDenied,
        Invalid,
        CannotShip,
        ExecutionFailed,
        Unavailable,
        LimitExceeded,
    )
}


class PartialAnswer(UserWarning):
    """A warning: an answer lacks what some nodes hold, because they are away. `missing` has their names."""

    def __init__(self, missing: Sequence[str]) -> None:
        several = len(missing) > 1
        away = "are away: what they hold" if several else "is away: what it holds"
        super().__init__(f"{'nodes' if several else 'node'} {', '.join(missing)} {away} is left out")
        self.missing = list(missing)


class InconsistentAnswer(UserWarning):
    """A warning: while a search went over several volumes, something was moved from one to another: it may be found
    twice, or not at all. `moved` has the paths where that is now."""

    def __init__(self, moved: Sequence[str]) -> None:
        super().__init__(f"found twice, or not at all, may be what was moved meanwhile to {', '.join(moved)}")
        self.moved = list(moved)


class StaleAnswer(UserWarning):
    """A warning: an answer is from a copy, as the owner is away. It may have changed since the moment `as_of`."""

    def __init__(self, as_of: str) -> None:
        when = f"as of {as_of[:19]}Z" if as_of else "of unknown age"
        super().__init__(f"the owner is away: this is from a copy, {when}")
        self.as_of = as_of


class WrongBytes(UserWarning):
    """A warning: a holder of blocks sent wrong bytes for a file. It is asked for that file only as the last resort."""

    def __init__(self, path: str, holder: str) -> None:
        super().__init__(f"{holder} sent wrong bytes for {path}: others are asked instead, as far as they have them")
        self.path = path
        self.holder = holder


def error_from_wire(data: Mapping[str, Any]) -> EmergeError:
    """Make the error that `to_wire` described; an unknown code becomes a plain EmergeError."""
    kind = _BY_CODE.get(str(data.get("code")), EmergeError)
    details = data.get("details")
    return kind(
        str(data.get("message", "")),
        path=data.get("path"),
        remedy=data.get("remedy"),
        **(details if isinstance(details, dict) else {}),
    )
