"""Check permissions: rwx for owner, group and others, along the whole path. Pure functions on packed entries."""

from __future__ import annotations

import re
from functools import lru_cache

from ...context import Context
from ...errors import Invalid, PermissionDenied
from .place import Place
from .record import Entry, is_directory

_LETTERS = "rwxrwxrwx"
_RIGHTS = {"r": 4, "w": 2, "x": 1}
_WORDS = {"r": "read", "w": "change", "x": "run"}
_SHIFTS = {"u": 6, "g": 3, "o": 0}
_CLAUSE = re.compile(r"([ugoa]*)([-+=])([rwx]*)")


@lru_cache(maxsize=4096)
def mode_of(perms: str) -> int:
    """Return the nine bits of "rwxr-x---" or "750"; raise Invalid for anything else."""
    if re.fullmatch(r"[0-7]{3}", perms):
        return int(perms, 8)
    if len(perms) != 9 or any(given not in (letter, "-") for given, letter in zip(perms, _LETTERS, strict=True)):
        raise Invalid(f"{perms[:40]!r} are no permissions", remedy='write them as "rwxr-x---", "750" or "g+w,o-r"')
    return int("".join("0" if letter == "-" else "1" for letter in perms), 2)


@lru_cache(maxsize=4096)
def perms_of(mode: int) -> str:
    """Return the nine letters of a mode: 0o750 is "rwxr-x---"."""
    return "".join(letter if mode >> 8 - place & 1 else "-" for place, letter in enumerate(_LETTERS))


def changed_perms(perms: str, change: str) -> str:
    """Apply a change to permissions: "rwxr-x---", "750", or clauses such as "g+w,o-r"."""
    if re.fullmatch(r"[0-7]{3}|[-rwx]{9}", change):
        return perms_of(mode_of(change))
    mode = mode_of(perms)
    for clause in change.split(","):
        found = _CLAUSE.fullmatch(clause)
        if found is None:
            raise Invalid(f"{change[:40]!r} are no permissions", remedy='write them as "rwxr-x---", "750" or "g+w,o-r"')
        whose, how, letters = found.groups()
        bits = sum(_RIGHTS[letter] for letter in set(letters))
        for who in set(whose.replace("a", "ugo") or "ugo"):
            shift = _SHIFTS[who]
            mode = mode & ~(7 << shift) if how == "=" else mode
            mode = mode & ~(bits << shift) if how == "-" else mode | bits << shift
    return perms_of(mode)


def new_perms(context: Context, perms: str = "") -> str:
    """Return the permissions of a new entry: the requested ones ("": all) less the caller's umask."""
    return perms_of((mode_of(perms) if perms else 0o777) & ~context.umask)


@lru_cache(maxsize=65536)
def _owning(raw: bytes) -> tuple[str, str, int]:
    entry = Entry.unpack(raw)
    return entry.owner, entry.group, mode_of(entry.perms)


def owns(context: Context, raw: bytes) -> bool:
    """Whether the caller is the owner or a superuser; in a run, also each owner of what runs."""
    owner = _owning(raw)[0]
    mine = bool(owner and owner == context.principal)
    return context.superuser or (mine and all(each.principal == owner for each in context.owners))


def may(context: Context, raw: bytes, rights: str) -> bool:
    """Whether the caller has all of these rights ("r", "rx" …) on a packed entry; its path is not checked."""
    return context.superuser or permits(context, *_owning(raw), rights)


def readable(context: Context, entries: list[Entry]) -> list[Entry]:
    """Return the entries that the caller may read; their paths are not checked."""
    if context.superuser:
        return entries
    allowed = {
        owned: permits(context, owned[0], owned[1], mode_of(owned[2]), "r")
        for owned in {(entry.owner, entry.group, entry.perms) for entry in entries}
    }
    return [entry for entry in entries if allowed[entry.owner, entry.group, entry.perms]]


def permits(context: Context, owner: str, group: str, mode: int, rights: str) -> bool:
    """Whether these permissions give the caller all of these rights; in a run, also each owner of what runs."""
    if context.superuser:
        return True
    if context.owners and not all(
        _gives(owner, group, mode, each.principal, (each.group,), rights) for each in context.owners
    ):
        return False
    return _gives(owner, group, mode, context.principal, context.groups, rights)


def _gives(owner: str, group: str, mode: int, principal: str, groups: tuple[str, ...], rights: str) -> bool:
    if owner and owner == principal:
        mode >>= 6
    elif group and group in groups:
        mode >>= 3
    return all(mode & _RIGHTS[right] for right in rights)


def check(context: Context, place: Place, rights: str) -> None:
    """Check that the caller may pass through every directory above, and has these rights on the existing entry.

    Raises:
        PermissionDenied: a right is missing.
    """
    if not context.superuser:
        chain = place.chain
        _check_way(context, place, chain[:-1])
        if not may(context, chain[-1], rights):
            raise _denied(context, place.path, rights, chain[-1])


def check_way(context: Context, place: Place) -> None:
    """Check that the caller may pass through every directory that is there on the way to a place.

    It comes before what is said of the place: who may not pass is not told whether something is there.

    Raises:
        PermissionDenied: a right is missing.
    """
    if not context.superuser:
        chain = place.chain
        there = len(place.raws) == len(place.names) or not is_directory(chain[-1])
        _check_way(context, place, chain[:-1] if there else chain)


def passes(context: Context, place: Place) -> bool:
    """Whether the caller has x on every existing entry of the path."""
    return all(may(context, raw, "x") for raw in place.chain)


def check_inside(context: Context, place: Place) -> None:
    """Check that the caller may create or remove the last name: w on the lowest existing directory.

    Raises:
        PermissionDenied: a right is missing.
    """
    if not context.superuser:
        above = place.chain[: max(len(place.names), 1)]
        _check_way(context, place, above)
        if not may(context, above[-1], "w"):
            raise _denied(context, _path_to(place, len(above)), "w", above[-1])


def check_owner(context: Context, place: Place, what: str) -> None:
    """Check that the caller owns the entry at the place.

    Raises:
        PermissionDenied: the caller does not.
    """
    check(context, place, "")
    raw = place.chain[-1]
    if not owns(context, raw):
        who = next((each.principal for each in context.owners if each.principal != _owning(raw)[0]), context.principal)
        raise PermissionDenied(
            f"{who or 'a guest'} may not change the {what} of {place.path}",
            path=place.path,
            remedy=f"its owner may: {_owning(raw)[0] or 'nobody but a superuser'}",
        )


def _check_way(context: Context, place: Place, above: list[bytes]) -> None:
    for depth, raw in enumerate(above, 1):
        if not may(context, raw, "x"):
            raise _denied(context, _path_to(place, depth), "x", raw, through=True)


def _path_to(place: Place, depth: int) -> str:
    return "/" + "/".join(place.names[: depth - 1])


def _denied(context: Context, path: str, rights: str, raw: bytes, *, through: bool = False) -> PermissionDenied:
    entry = Entry.unpack(raw)
    missing = next(right for right in rights if not may(context, raw, right))
    word = "pass through" if through else "list" if entry.is_directory and missing == "r" else _WORDS[missing]
    owner = f"{entry.owner or 'nobody'}{':' + entry.group if entry.group else ''}"
    return PermissionDenied(
        f"{_who_lacks(context, raw, missing) or 'a guest'} may not {word} {path}",
        path=path,
        remedy=f"it is {entry.perms} of {owner}; its owner can give the right with chmod",
    )


def _who_lacks(context: Context, raw: bytes, right: str) -> str:
    """Name who has not this right: the caller or, in a run, an owner of what runs."""
    lacks = (
        each.principal for each in context.owners if not _gives(*_owning(raw), each.principal, (each.group,), right)
    )
    own = _gives(*_owning(raw), context.principal, context.groups, right)
    return next(lacks, context.principal) if own else context.principal
