"""On whose behalf a call is made: who asks, with which rights, in which transaction. Plain data, no I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from .errors import Invalid, PermissionDenied

Wire = dict[str, Any]

ASKED = ("umask", "transaction", "clock", "max_age", "call_id", "call_note", "cause", "rights")
"""What any caller may ask of a call."""

UMASK = 0o027
"""The rights that a new object or directory does not get, unless its maker says otherwise: it is rwxr-x---."""


@dataclass(frozen=True, slots=True)
class Clock:
    """A moment (nanoseconds since 1970, UTC) and a time zone, by the name that `query/zone.py` gives it.

    The functions of `datetime` and `time` tell these in a search, wherever it runs.
    """

    moment: int
    zone: str

    def wire(self) -> list[object]:
        return [self.moment, self.zone]


@dataclass(frozen=True, slots=True)
class Context:
    """Who asks, and by which way: what the shells know about a call.

    A `superuser` passes every check of permissions: whoever holds the store itself. `transaction` names the open
    transaction that the call is part of. A change with a `call_id` is made once: when the same caller repeats it with
    that id, it gets the recorded result; a `call_note` is recorded with it, for `recall`. `clock` is the caller's, for
    a search (None: the answering process's). With a `max_age`, in seconds, a copy nearby may answer what only reads, if
    it was the same as its owner no longer ago.

    `rights` "caller" gives a method that a superuser runs all that they may do; else it may do what its object's owner
    may.

    `cause` says what made the caller make a change, such as a cell of a notebook; the versions that it makes keep it.

    A call that a running method makes is inside of runs: `runs` are the uuids of the objects that run, the outermost
    first, `held` the transactions that are held by one of them, once for each. A call may be a `part` of one that
    goes to several filesystems. No caller sets these.
    """

    principal: str = ""
    groups: tuple[str, ...] = ()
    superuser: bool = False
    umask: int = UMASK
    transaction: str = ""
    via: str = "local"
    runs: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    clock: Clock | None = None
    max_age: float = 0.0
    call_id: str = ""
    call_note: bytes = b""
    cause: str = ""
    rights: str = ""
    part: bool = False

    def of_run(self, owner: str) -> Context:
        """The context of what a run of somebody's object calls: the least that caller and owner have. Whoever is no
        superuser has what the caller has; a superuser's rights are no gift to the authors of what they run."""
        if not self.superuser or self.rights == "caller" or owner in ("", self.principal):
            return self
        return _acting(self, owner, ())

    def asked(self) -> Wire:
        """What a call asks for beside who makes it, as `narrowed` takes it; what is as usual is left out."""
        usual, found = Context(), {name: getattr(self, name) for name in ASKED}
        wanted = {name: value for name, value in found.items() if value != getattr(usual, name)}
        return wanted if self.clock is None else {**wanted, "clock": self.clock.wire()}

    def narrowed(self, wanted: Wire | None) -> Context:
        """This context with what a call asks for: `umask`, `transaction`, `call_id`, `call_note`, `cause`, `clock`,
        `max_age`, `rights`, and (only a superuser may) to be made `as` another principal, with its `groups`. Raises
        Invalid for anything else, PermissionDenied for anybody else."""
        if not wanted:
            return self
        changes = _changes(wanted)
        who = wanted.get("as")
        if who is None or (who == self.principal and not self.superuser):
            return replace(self, **changes) if changes else self
        if not self.superuser:
            raise PermissionDenied(
                f"{self.principal or 'a guest'} may not act as {who}", remedy="use a token of theirs"
            )
        acting = _acting(self, who, tuple(wanted.get("groups", ())))
        return replace(acting, **changes) if changes else acting


@lru_cache(maxsize=1024)
def _acting(context: Context, who: str, groups: tuple[str, ...]) -> Context:
    """The context of another principal, whom a superuser names; cached, as a relay names one with every call."""
    return replace(context, principal=who, groups=groups, superuser=False)


def asker(context: Context) -> str:
    """Name the caller to processes that run code: the same principal with other rights is another caller."""
    return "\0".join([context.principal, "superuser" if context.superuser else "", *sorted(context.groups)])


def payer(context: Context) -> str:
    """Return `queue_of` the `asker` of a context."""
    return context.principal.split("\0", 1)[0] or ("\0superuser" if context.superuser else "")


def queue_of(asked: str) -> str:
    """Return what the calls of an `asker` are queued and counted by: the principal, whatever groups a token gives."""
    return asked.split("\0", 1)[0] or ("\0superuser" if asked.startswith("\0superuser") else "")


def _changes(wanted: Wire) -> Wire:
    """The fields of a context that anybody may set; Invalid, by name, for what is malformed."""
    for name, value in wanted.items():
        fits = _FITS.get(name)
        if fits is None or not fits(value):
            raise Invalid(f"a call's context cannot have {name!r}: {str(value)[:80]!r}", remedy=_CONTEXT)
    changes: Wire = {name: wanted[name] for name in ASKED if name in wanted}
    if "clock" in wanted:
        changes["clock"] = Clock(*wanted["clock"])
    return changes


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 255


def _is_cause(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 2_000


def _is_clock(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and [type(part) for part in value] == [int, str]
        and abs(value[0]) < 1 << 63
        and len(value[1]) <= 100
    )


_FITS: dict[str, Callable[[Any], bool]] = {
    "as": _is_text,
    "groups": lambda value: isinstance(value, (list, tuple)) and len(value) <= 255 and all(map(_is_text, value)),
    "umask": lambda value: type(value) is int and 0 <= value <= 0o777,
    "transaction": _is_text,
    "call_id": _is_text,
    "call_note": lambda value: isinstance(value, bytes),
    "cause": _is_cause,
    "rights": lambda value: value in ("", "caller"),
    "clock": _is_clock,
    "max_age": lambda value: type(value) in (int, float) and 0 <= value <= 86_400,
}
_CONTEXT = (
    "it is a map of as (text), groups (texts), umask (0 to 0o777), transaction (text), call_id (text), call_note"
    " (bytes), cause (text), rights (caller), max_age (seconds, a day at most) and clock (nanoseconds since 1970, and"
    " the name of a time zone)"
)
