"""What a copy that took a lost owner's place may have changed of a history, and what it must not.

Copies are asynchronous: what an owner acknowledged in its last moment may be missing at its copy. So when it dies and
the copy is promoted, each key of the volume may hold something else from then on. But what was acknowledged before the
copies were seen to be the same must be there, and anything else that was lost must be kept as a conflict.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from .history import Action, Fault, Operation, Seen


class Promotion(NamedTuple):
    """One that followed upon a death."""

    path: str
    asked: float
    """Before its copies were asked, which then had all that it had."""
    killed: float
    promoted: float


def is_in(key: str, path: str, volumes: Iterable[str]) -> bool:
    """Tell whether a key is in the volume at a path, and not in another one inside it."""
    holding = [volume for volume in volumes if key.startswith(volume + "/")]
    return bool(holding) and max(holding, key=len) == path


def as_operations(
    unit: str, keys: Collection[str], promotions: Sequence[Promotion], volumes: Iterable[str]
) -> list[Operation]:
    """The promotions as operations of a unit: afterwards each key of the volume holds we do not know what."""
    made = []
    for number, each in enumerate(promotions):
        actions: list[Action] = [{"do": "lose", "key": key} for key in sorted(keys) if is_in(key, each.path, volumes)]
        if actions:
            made.append(Operation(-1 - number, unit, "promote", each.killed, each.promoted, "ok", actions))
    return made


def check_lost(
    unit: str,
    history: Sequence[Operation],
    promotions: Sequence[Promotion],
    volumes: Iterable[str],
    conflicts: Collection[str],
) -> list[Fault]:
    """See that what was lost by promotions of a unit's volumes may be lost, and is kept."""
    keys = {action["key"] for each in history for action in each.actions}
    for promotion in promotions:
        for key in sorted(keys):
            if not is_in(key, promotion.path, volumes):
                continue
            last = _last_write(history, key, promotion.killed)
            if last is None or not _is_lost(history, key, last, promotion):
                continue
            if last.end < promotion.asked:
                return [Fault("lost", unit, f"{last} is lost, though the copies had it")]
            value = _written(last, key).get("value")
            if value is not None and value not in conflicts:
                return [Fault("lost", unit, f"{last} is lost, and is no conflict")]
    return []


def _changes(operation: Operation, key: str) -> Iterator[Action]:
    for action in operation.actions:
        if action["do"] not in ("see", "lose") and key in (action["key"], action.get("to")):
            yield action


def _written(operation: Operation, key: str) -> Seen:
    """What is known of what an operation wrote to a key."""
    known: Seen = {}
    for action in _changes(operation, key):
        known.update(action.get("seen") or {})
        if "value" in action:
            known["value"] = action["value"]
    return known


def _last_write(history: Sequence[Operation], key: str, until: float) -> Operation | None:
    """The acknowledged write that certainly came last before a moment, if it left something there."""
    some = [each for each in history if each.start < until and any(_changes(each, key))]
    if not some:
        return None
    last = max(some, key=lambda each: each.end)
    if last.end >= until or any(each.end >= last.start for each in some if each is not last):
        return None
    left = [
        action["do"] == "put" or action["do"] == "change" or action.get("to") == key for action in _changes(last, key)
    ]
    return last if left[-1] else None


def _is_lost(history: Sequence[Operation], key: str, write: Operation, promotion: Promotion) -> bool:
    """Whether a write is not seen again, though its key is, before anybody may have changed that without looking."""
    wrote = _written(write, key)
    looked = blind = math.inf
    for each in history:
        if each.start <= promotion.killed:
            continue
        if not all("seen" in action for action in _changes(each, key)):
            blind = min(blind, each.start)
        for action in each.actions if each.outcome != "unknown" else ():
            seen = action.get("seen")
            if seen is not None and _follows(seen, wrote):
                return False
            if each.start > promotion.promoted and "seen" in action and key == action.get("to", action["key"]):
                looked = min(looked, each.end)
    return looked < blind


def _follows(seen: Seen, wrote: Seen) -> bool:
    if "value" in wrote and seen.get("value") == wrote["value"]:
        return True
    same = bool(wrote.get("uuid")) and seen.get("uuid") == wrote.get("uuid")
    return same and seen.get("version", 0) >= wrote.get("version", 0)
