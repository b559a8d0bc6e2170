"""On whose behalf a call is made: who asks, with which rights, in which transaction. Plain data, no I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

from .errors import Invalid, PermissionDenied

Wire = dict[str, Any]

ASKED = ("umask", "transaction", "clock", "max_age", "call_id", "call_note", "cause", "rights", "owners")
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


class RunOwner(NamedTuple):
    """Who owns an object that runs. Of the groups of the owner counts that of the object, as nobody else is in it who
    could have put it there."""

    principal: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """Who asks, and by which way: what the shells know about a call.

    A `superuser` passes every check of permissions: whoever holds the store itself. `transaction` names the open
    transaction that the call is part of. A change with a `call_id` is made once: when the same caller repeats it with
    that id, it gets the recorded result; a `call_note` is recorded with it, for `recall`. `clock` is the caller's, for
    a search (None: the answering process's). With a `max_age`, in seconds, a copy nearby may answer what only reads, if
    it was the same as its owner no longer ago.

    `rights` "caller" gives the method that is run all that its caller may do; else it may do what the owner of its
    object may do, too.

    `owners` are those of the objects that run, who are not the caller: each must be allowed what is asked, too.
    A superuser's calls have none: a run that has only its owner's rights is made in the owner's name. Whoever calls may
    name some, since that takes rights and gives none.

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
    owners: tuple[RunOwner, ...] = ()
    part: bool = False

    @property
    def maker(self) -> str:
        """Whose the things are that a call makes: of the owner of the code that asks, so that none is left in a name
        that would give it more rights when it runs the next time."""
        return self.owners[-1].principal if self.owners else self.principal

    def of_run(self, owner: str, group: str = "", superuser: bool = False) -> Context:
        """The context of what a run of somebody's object calls: what the caller may and the owner, too, unless the call
        says that it is to have all that the caller may. `superuser`: the owner is one, who may do everything."""
        if self.rights == "caller":
            return replace(self, rights="")  # that is said of this object, not of others that it runs
        if superuser or owner == self.principal:
            return self
        if self.superuser:
            return _acting(self, owner, (group,) if group else ())
        added = RunOwner(owner, group)
        return replace(self, owners=(*(each for each in self.owners if each != added), added))

    def asked(self) -> Wire:
        """What a call asks for beside who makes it, as `narrowed` takes it; what is as usual is left out."""
        usual, found = Context(), {name: getattr(self, name) for name in ASKED}
        wanted = {name: value for name, value in found.items() if value != getattr(usual, name)}
        if self.owners:
            wanted["owners"] = [list(each) for each in self.owners]
        return wanted if self.clock is None else {**wanted, "clock": self.clock.wire()}

    def narrowed(self, wanted: Wire | None, superuser: Callable[[str], bool] = lambda name: False) -> Context:
        """This context with what a call asks for: `umask`, `transaction`, `call_id`, `call_note`, `cause`, `clock`,
        `max_age`, `rights`, `owners`, and (only a superuser may) to be made `as` another principal, with its `groups`.
        `superuser` tells of a name whether it is one's. Raises Invalid for anything else, PermissionDenied for anybody
        else."""
        if not wanted:
            return self
        changes = _changes(wanted)
        who = wanted.get("as")
        context = self
        if who is not None and (who != self.principal or self.superuser):
            if not self.superuser:
                raise PermissionDenied(
                    f"{self.principal or 'a guest'} may not act as {who}", remedy="use a token of theirs"
                )
            context = _acting(self, who, tuple(wanted.get("groups", ())))
        for owner, group in wanted.get("owners", ()):
            context = replace(context, rights="").of_run(owner, group, superuser(owner))
        return replace(context, **changes) if changes else context


@lru_cache(maxsize=1024)
def _acting(context: Context, who: str, groups: tuple[str, ...]) -> Context:
    """The context of another principal, whom a superuser names; cached, as a relay names one with every call."""
    return replace(context, principal=who, groups=groups, superuser=False)


def asker(context: Context) -> str:
    """Name the caller to processes that run code: the same principal with other rights is another caller."""
    rights = repr([*map(tuple, context.owners)]) if context.owners else "superuser" if context.superuser else ""
    return "\0".join([context.principal, rights, *sorted(context.groups)])


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
    changes: Wire = {name: wanted[name] for name in ASKED if name in wanted and name != "owners"}
    if "clock" in wanted:
        changes["clock"] = Clock(*wanted["clock"])
    return changes


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 255


def _is_cause(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 2_000


def _are_owners(value: object) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) <= 64
        and all(isinstance(each, (list, tuple)) and len(each) == 2 and all(map(_is_text, each)) for each in value)
    )


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
    "owners": _are_owners,
    "clock": _is_clock,
    "max_age": lambda value: type(value) in (int, float) and 0 <= value <= 86_400,
}
_CONTEXT = (
    "it is a map of as (text), groups (texts), umask (0 to 0o777), transaction (text), call_id (text), call_note"
    " (bytes), cause (text), rights (caller), owners (pairs of texts), max_age (seconds, a day at most) and"
    " clock (nanoseconds since 1970, and the name of a time zone)"
)
