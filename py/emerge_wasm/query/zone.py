"""Name this process's time zone, and make a tzinfo of a name that another process sent.

A name is an IANA key ("Europe/Berlin") or, where the key is not known, a POSIX rule ("CET-1CEST,M3.5.0,M10.5.0/3",
"<+03>-3"): the values that the environment variable TZ may have. Reads the system's zone files, and nothing else.
"""

from __future__ import annotations

import io
import os
import re
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from ..errors import Invalid

LOCALTIME = "/etc/localtime"
_FOLDER = "zoneinfo/"
_USUAL_RULE = "M3.2.0,M11.1.0"
"""What a rule that names a summer time, and no dates, means."""
_HALF_YEAR = 15_778_800
_QUARTER = 900
_NAME = re.compile(r"[A-Za-z0-9<][A-Za-z0-9_+\-<>:,./]{0,99}")
_FROM_TIMESTAMP = datetime.__dict__["fromtimestamp"]  # as it is now: see `runs/inside/caller_clock.py`
_LOCALTIME = time.localtime


def own_zone() -> str:
    """Return the name of this process's time zone.

    A name that does not tell the same time as this process (TZ was changed, and not read again) is not used.
    """
    if sys.platform == "emscripten":  # a browser knows its zone, and Pyodide has no zone files to compare it with
        from js import Intl  # type: ignore[import-not-found,unused-ignore]  # there in a browser only

        return str(Intl.DateTimeFormat.new().resolvedOptions().timeZone)
    return _named(_source(), time.tzname, time.timezone, time.altzone, int(time.time()) // _QUARTER)


def is_zone(name: str) -> bool:
    """Tell whether a text can be the name of a zone."""
    return bool(_NAME.fullmatch(name)) and ".." not in name


@lru_cache(maxsize=64)
def zone_of(name: str) -> tzinfo:
    """Return the zone of that name.

    Raises:
        Invalid: it is not known here.
    """
    for make in (ZoneInfo, _ruled):
        try:
            return make(name)
        except (LookupError, ValueError, OSError):
            continue
    raise Invalid(
        f"the time zone {name[:80]!r} is not known here",
        remedy='send a rule such as "CET-1CEST,M3.5.0,M10.5.0/3", or install tzdata where the search runs',
    )


def _source() -> tuple[str | None, int, int]:
    """Return what names this process's zone: TZ, or which file LOCALTIME is."""
    named = os.environ.get("TZ")
    if named is None:
        with suppress(OSError):
            link = os.lstat(LOCALTIME)
            return None, link.st_ino, link.st_mtime_ns
    return named, 0, 0


@lru_cache(maxsize=8)
def _named(source: tuple[str | None, int, int], names: tuple[str, str], west: int, summer: int, quarter: int) -> str:
    """Return the name for a quarter of an hour, as no zone puts its clocks on or back within one.

    `names`, `west` and `summer` are what Python read of the zone: they tell whether TZ was read again.
    """
    now = quarter * _QUARTER
    for name in _candidates(source):
        if _agrees(name, now):
            return name
    return _fixed(_LOCALTIME(now).tm_gmtoff)


def _candidates(source: tuple[str | None, int, int]) -> Iterator[str]:
    named, inode, changed = source
    if named is not None:
        name = named.removeprefix(":").rpartition(_FOLDER)[2] or "UTC"
        yield from (name, f"{name},{_USUAL_RULE}")
        return
    if inode:
        yield from _file_names(LOCALTIME, inode, changed)
    yield "UTC"


@lru_cache(maxsize=1)
def _file_names(path: str, inode: int, changed: int) -> list[str]:
    """Return what the file (or link) of the system's zone says, as long as it is the same one."""
    found: list[str] = []
    with suppress(OSError, ValueError):
        target = os.path.realpath(path)
        if _FOLDER in target:
            found.append(target.rpartition(_FOLDER)[2])
        with open(path, "rb") as file:
            found.append(file.read().rstrip(b"\n").rpartition(b"\n")[2].decode("ascii"))
    return found


def _agrees(name: str, now: int) -> bool:
    try:
        zone = zone_of(name) if is_zone(name) else None
    except Invalid:
        return False
    return zone is not None and all(
        _offset(zone, moment) == _LOCALTIME(moment).tm_gmtoff for moment in (now, now - _HALF_YEAR)
    )


def _offset(zone: tzinfo, moment: int) -> float:
    offset = _FROM_TIMESTAMP.__get__(None, datetime)(moment, zone).utcoffset()
    return offset.total_seconds() if offset is not None else 0.0


def _fixed(offset: int) -> str:
    """Write an offset in seconds east of UTC as a rule, whose sign is the other way round."""
    if not offset:
        return "UTC"
    minutes, seconds = divmod(abs(offset), 60)
    hours, minutes = divmod(minutes, 60)
    shown = f"{hours:02}" + (f"{minutes:02}" if minutes else "")
    size = f"{hours:02}:{minutes:02}:{seconds:02}"
    return f"<{'+' if offset > 0 else '-'}{shown}>{'-' if offset > 0 else '+'}{size}"


def _ruled(rule: str) -> tzinfo:
    """Make a zone of a POSIX rule: a zone file (RFC 9636) without transitions, which ends with that rule."""
    if not re.match(r"(<[^>]+>|[A-Za-z]{3,})[+-]?[0-9]", rule):
        raise ValueError("a rule names a zone and its offset")
    body = struct.pack(">4sc15x6l", b"TZif", b"2", 0, 0, 0, 0, 1, 4) + struct.pack(">lbB", 0, 0, 0) + b"UTC\0"
    return ZoneInfo.from_file(io.BytesIO(body + body + b"\n" + rule.encode("ascii") + b"\n"))
