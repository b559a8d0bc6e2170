"""Reads a history: is there an order of its operations that explains every answer?

Each unit of keys must be linearisable (Wing and Gong's search, with Lowe's memo): every operation takes place at one
moment between its call and its end, one whose outcome is unknown at any moment after its call, or never. A key holds
nothing or an object (its value, uuid and version), so a lost write, a stale read, a value that nobody wrote and a name
that was two objects at once all leave no such order. What may be told without a search is told first: it says more.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from .history import Action, Fault, Operation, Seen
from .promotion import Promotion, as_operations, check_lost, is_in

Held = tuple[str, str, int] | None
"""What a key holds: value, uuid ("": not known yet) and version (below 0: not known); None: nothing."""

LOST = ("?", "", -(1 << 40))
"""What a key holds of which nothing is known, perhaps nothing."""

State = dict[str, Held]


class _Step(NamedTuple):
    """Where a search is: bits of the operations that took place, the state then, and the keys of each that is to be
    followed by one of known outcome that has to do with it."""

    done: int
    state: State
    waiting: tuple[frozenset[str], ...]


BUDGET = 200_000
"""Steps of the search through one unit; beyond, it is undecided, which is a fault too."""

CONTEXT = 14
"""Operations shown around the one that nothing explains."""

ERRORS = (
    "NotFound",
    "Conflict",
    "Invalid",
    "Unavailable",
    "LimitExceeded",
    "TimeoutError",
    "PartialAnswer",
    "StaleAnswer",
)
"""What a call may end with under faults. Anything else is a fault of its own."""


def check(
    history: Iterable[Operation],
    promotions: Sequence[Promotion] = (),
    volumes: Collection[str] = (),
    conflicts: Collection[str] = (),
) -> list[Fault]:
    """Everything that is wrong with a history; one fault a unit of each kind.

    `promotions` are those of copies of some of the `volumes`, in the order of time; `conflicts` the values that former
    owners have kept.
    """
    units: dict[str, list[Operation]] = defaultdict(list)
    faults: list[Fault] = []
    for operation in history:
        units[operation.unit].append(operation)
        faults += _strange(operation)
    for unit, some in units.items():
        unwritten = _never_written(unit, some)
        wrong = unwritten or _doubled(unit, some, promotions, volumes) or linearise(unit, some)
        made = as_operations(unit, _all_keys(some), promotions, volumes) if wrong and not unwritten else []
        if made and wrong[0].kind != "doubled":  # perhaps something was lost, as it may be
            wrong = linearise(unit, [*some, *made]) or check_lost(unit, some, promotions, volumes, conflicts)
        faults += wrong
    return faults


def _all_keys(history: Iterable[Operation]) -> frozenset[str]:
    return frozenset(key for each in history for key in keys_of(each))


# --- without a search
def _strange(operation: Operation) -> list[Fault]:
    if not operation.error or operation.error.startswith(ERRORS):
        return []
    return [Fault("error", operation.unit, str(operation) + " " + operation.error)]


def _never_written(unit: str, history: Sequence[Operation]) -> list[Fault]:
    written = {action["value"] for each in history for action in each.actions if "value" in action}
    for each in history:
        for action in each.actions:
            value = (action.get("seen") or {}).get("value")
            if value is not None and value not in written:
                return [Fault("never written", unit, str(each))]
    return []


def _doubled(
    unit: str, history: Sequence[Operation], promotions: Sequence[Promotion], volumes: Collection[str]
) -> list[Fault]:
    """A name that a listing has twice, or one object under two names of it.

    What was moved out of a volume in the last moment of its owner is in it again when a copy is promoted.
    """
    for each in history:
        again = {way.path for way in promotions if way.killed < each.end}
        for column in (0, 1):
            places: dict[str, list[str]] = defaultdict(list)
            for row in each.listed:
                places[row[column]].append(row[0])
            for name, paths in places.items():
                moved = column == 1 and any(is_in(path, back, volumes) for path in paths for back in again)
                if name and len(paths) > 1 and not moved:
                    return [Fault("doubled", unit, f"{name} twice in {each}: {', '.join(paths)}")]
    return []


# --- the search
def linearise(unit: str, history: Sequence[Operation], budget: int = BUDGET) -> list[Fault]:
    """Look for an order that explains all answers of a unit; [] when there is one."""
    ordered = sorted(filter(_tells, history), key=lambda each: each.start)
    found = _Search(ordered, budget).run()
    if found is None:
        return []
    kind, at = found
    near = ordered[max(0, at - CONTEXT) : at + CONTEXT // 2]
    marked = "\n".join(f"{'> ' if each is ordered[at] else '  '}{each}" for each in near)
    return [Fault(kind, unit, f"nothing explains #{ordered[at].number} of {len(ordered)}:\n{marked}")]


def _tells(operation: Operation) -> bool:
    """Whether an operation did something, perhaps, or saw something."""
    known = not math.isinf(operation.end)
    return any(known or action["do"] != "see" for action in operation.actions)


class _Search:
    """Depth first through the orders of a unit's operations.

    What is unknown takes place as late as it can: just before an operation of known outcome that has to do with it, for
    it might as well change places with any other. And where the same operations of known outcome led to the same state,
    whatever can follow can follow upon the fewest of the others, so only these are followed.
    """

    def __init__(self, ordered: Sequence[Operation], budget: int) -> None:
        self._ordered = ordered
        self._budget = budget
        self._needed = sum(1 << at for at, each in enumerate(ordered) if not math.isinf(each.end))
        self._keys = [keys_of(each) for each in ordered]
        self._seen: dict[object, list[int]] = {}
        self._steps = 0
        self._best = -1
        self._stuck = 0

    def run(self) -> tuple[str, int] | None:
        """None when there is an order; else the kind of fault, and the operation that could not be explained."""
        stack: list[_Step] = [_Step(0, {}, ())]
        while stack:
            step = stack.pop()
            if step.done & self._needed == self._needed:
                return None
            if self._is_known(step):
                continue
            self._steps += 1
            if self._steps > self._budget:
                return "undecided", self._stuck
            candidates, first = self._candidates(step.done)
            reached = (step.done & self._needed).bit_count()
            if reached > self._best:
                self._best, self._stuck = reached, first
            after = (self._take(step, at) for at in reversed(candidates))  # what ends first is tried first
            stack += [each for each in after if each is not None]
        return "not linearisable", self._stuck

    def _take(self, step: _Step, at: int) -> _Step | None:
        """What is after an operation; None when it cannot take place then, or need not."""
        waiting = tuple(keys for keys in step.waiting if keys.isdisjoint(self._keys[at]))
        if not self._needed >> at & 1:
            waiting = (*waiting, self._keys[at])
        elif waiting:
            return None
        state = apply(step.state, self._ordered[at].actions)
        return None if state is None else _Step(step.done | 1 << at, state, waiting)

    def _is_known(self, step: _Step) -> bool:
        held = tuple(sorted((key, held) for key, held in step.state.items() if held is not None))
        taken = step.done & ~self._needed
        least = self._seen.setdefault((step.done & self._needed, held, frozenset(step.waiting)), [])
        if any(each & taken == each for each in least):
            return True
        least.append(taken)
        return False

    def _candidates(self, done: int) -> tuple[list[int], int]:
        """What may come next: all that were called before the first of the rest ended."""
        at = (~done & (done + 1)).bit_length() - 1  # the first that is not done
        until, first = math.inf, at
        found: list[int] = []
        while at < len(self._ordered) and self._ordered[at].start <= until:
            if not done >> at & 1:
                found.append(at)
                if self._ordered[at].end < until:
                    until, first = self._ordered[at].end, at
            at += 1
        kept = [each for each in found if self._ordered[each].start <= until]
        return sorted(kept, key=lambda each: self._ordered[each].end), first


def keys_of(operation: Operation) -> frozenset[str]:
    """The keys that an operation has to do with."""
    named = (action.get(name) for action in operation.actions for name in ("key", "to"))
    return frozenset(str(key) for key in named if key is not None)


def apply(state: State, actions: Sequence[Action]) -> State | None:
    """The state after all actions of an operation; None when they cannot take place, or see something else."""
    after = dict(state)
    for action in actions:
        key, held = action["key"], after.get(action["key"])
        target = key
        if action["do"] == "lose":
            after[key] = LOST
        elif action["do"] == "put" or (action["do"] == "change" and held):
            uuid, version = (held[1], held[2]) if held else ("", 0)
            after[key] = (action["value"], uuid, version + 1)
        elif action["do"] == "drop" and held:
            after[key] = None
        elif action["do"] in ("move", "carry") and held and after.get(action["to"]) in (None, LOST):
            target = action["to"]
            after[key], after[target] = None, (held[0], held[1], held[2] + (action["do"] == "move"))
        elif action["do"] != "see":
            return None
        if "seen" in action:
            fits, found = _fit(after.get(target), action["seen"])
            if not fits:
                return None
            after[target] = found
    return after


def _fit(held: Held, seen: Seen | None) -> tuple[bool, Held]:
    """Whether what a key holds is what was seen; and what is known of it then."""
    if held is None or seen is None:
        return seen is None and held in (None, LOST), None if seen is None else held
    value, uuid, version = held
    known = seen.get("uuid", uuid)
    if uuid and known != uuid:
        return False, held
    if value == LOST[0]:
        value = seen.get("value", value)
    if version < 0:
        version = seen.get("version", version)
    fits = seen.get("value", value) == value and seen.get("version", version) == version
    return fits, (value, known, version)
