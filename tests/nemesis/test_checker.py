"""The checker accepts right histories, and refuses those with one answer that is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from random import Random

import pytest

from tests.scale import examples

from .checker import State, apply, check
from .history import Action, Fault, Operation, Seen
from .promotion import Promotion

KEYS = ("/v/a", "/v/b", "/w/c")
VOLUMES = ("/v", "/w")
Spoil = Callable[[Random, list[Operation]], bool]
"""Makes a right history wrong; False when it found nothing to spoil."""


@dataclass
class Maker:
    """Makes histories as a right system would answer: each operation takes place at one moment within its time."""

    dice: Random
    unknown: float = 0.05
    state: State = field(default_factory=dict)
    uuids: int = 0
    promotion: Promotion | None = None
    conflicts: set[str] = field(default_factory=set)

    def make(self, count: int, clients: int = 5, lag: int = -1) -> list[Operation]:
        """Make so many; with a `lag`, the owner of /v is lost in the midst, with the last changes that it made."""
        planned: list[tuple[float, Operation]] = []
        free = [self.dice.random() for _ in range(clients)]
        for number in range(count):
            client = min(range(clients), key=lambda each: free[each])
            start = free[client]
            moment = start + self.dice.expovariate(1)
            free[client] = end = moment + self.dice.expovariate(1)
            operation = Operation(number, "unit", "call", start, end, "ok", self._actions(number))
            if self.dice.random() < self.unknown:
                operation.end, operation.outcome = math.inf, "unknown"
                moment = start + self.dice.choice([0.5, 5, math.inf])
            planned.append((moment, operation))
        before: list[tuple[float, State]] = [(0.0, {})]
        for number, (moment, operation) in enumerate(sorted(planned, key=lambda each: each[0])):
            if lag >= 0 and number == count // 2:
                self._promote(*before[-1 - min(lag, len(before) - 1)], moment)
            self._take_place(operation, math.isinf(moment))
            before.append((moment, dict(self.state)))
        return [operation for _, operation in planned]

    def _promote(self, asked: float, then: State, now: float) -> None:
        """What is in /v is as it was then; what else it was last is kept as conflicts."""
        self.promotion = Promotion("/v", asked, now - 1e-9, now)
        for key in KEYS[:2]:
            last, self.state[key] = self.state.get(key), then.get(key)
            if last is not None and last != then.get(key):
                self.conflicts.add(last[0])

    def _actions(self, number: int) -> list[Action]:
        key, other = self.dice.sample(KEYS, 2)
        value = f"v{number}"
        kinds: list[list[Action]] = [
            [{"do": "put", "key": key, "value": value}],
            [{"do": "change", "key": key, "value": value}],
            [{"do": "see", "key": key}],
            [{"do": "see", "key": key}],
            [{"do": "drop", "key": key}],
            [{"do": "move", "key": key, "to": other}],
            [{"do": "carry", "key": key, "to": other}],
            [{"do": "see", "key": key}, {"do": "put", "key": other, "value": value}],
        ]
        return self.dice.choice(kinds)

    def _take_place(self, operation: Operation, never: bool) -> None:
        after = None if never else apply(self.state, operation.actions)
        if operation.outcome == "ok" and after is None:
            operation.outcome = "fail"
            key = operation.actions[0]["key"]
            seen = seen_at(self.state, key)
            operation.actions = [{"do": "see", "key": key, "seen": seen}]
            return
        if after is None:
            return
        for key, held in after.items():
            if held is not None and not held[1]:
                self.uuids += 1
                after[key] = (held[0], f"u{self.uuids}", held[2])
        self.state = after
        if operation.outcome == "ok":
            for action in operation.actions:
                if action["do"] != "drop":
                    action["seen"] = seen_at(after, action.get("to", action["key"]))


def seen_at(state: State, key: str) -> Seen | None:
    held = state.get(key)
    return None if held is None else {"value": held[0], "uuid": held[1], "version": held[2]}


def with_last_reads(maker: Maker, history: list[Operation]) -> list[Operation]:
    """What is read of every key after all is over."""
    late = max(each.end for each in history if not math.isinf(each.end)) + 100
    for number, key in enumerate(KEYS, len(history)):
        actions: list[Action] = [{"do": "see", "key": key, "seen": seen_at(maker.state, key)}]
        history.append(Operation(number, "unit", "read", late, late + 1, "ok", actions))
    return history


@pytest.mark.parametrize("unknown", [0.0, 0.05, 0.1])
def test_what_is_right_is_accepted(unknown: float) -> None:
    seed = Random().getrandbits(32)
    for number in range(examples(8)):
        maker = Maker(Random(seed + number), unknown)
        history = with_last_reads(maker, maker.make(70))
        assert check(history) == [], seed + number


def check_promoted(maker: Maker, history: list[Operation]) -> list[Fault]:
    assert maker.promotion is not None
    return check(history, [maker.promotion], VOLUMES, maker.conflicts)


def test_what_a_lost_owner_took_with_it_is_accepted_where_it_is_kept() -> None:
    """And nothing else: not without a promotion, not what the copy had, and not what is no conflict."""
    seed, refused = Random().getrandbits(32), [0, 0, 0]
    for number in range(300):
        if number >= examples(20) and all(refused):
            break
        maker = Maker(Random(seed + number), 0.03)
        history = with_last_reads(maker, maker.make(60, 1 + number % 2, lag=maker.dice.randrange(9)))
        assert check_promoted(maker, history) == [], seed + number
        assert maker.promotion is not None
        refused[0] += bool(check(history))
        kept, maker.conflicts = maker.conflicts, set()
        refused[1] += bool(check_promoted(maker, history))
        maker.conflicts, maker.promotion = kept, maker.promotion._replace(asked=maker.promotion.killed)
        refused[2] += bool(check_promoted(maker, history))
    assert all(refused), refused


def writes_of(history: list[Operation]) -> list[tuple[Operation, Action]]:
    pairs = [(each, action) for each in history if each.outcome == "ok" for action in each.actions]
    return [(each, action) for each, action in pairs if action["do"] in ("put", "change") and action.get("seen")]


def make_stale(dice: Random, history: list[Operation]) -> bool:
    """A read is told what was overwritten, by an acknowledged write, before it was called."""
    writes = writes_of(history)
    for each in dice.sample(history, len(history)):
        if each.outcome != "ok" or [action["do"] for action in each.actions] != ["see"]:
            continue
        for first, old in writes:
            for second, new in writes:
                same = old["key"] == new["key"] == each.actions[0]["key"]
                if same and first.end < second.start and second.end < each.start:
                    each.actions[0]["seen"] = deepcopy(old["seen"])
                    return True
    return False


def lose_write(dice: Random, history: list[Operation]) -> bool:
    """What is read in the end is what was there before the last write, which was acknowledged."""
    last = history[-dice.randint(1, 3)].actions[0]
    now = last.get("seen")
    for _, action in reversed(writes_of(history)):
        before = action["seen"]
        if now and before and before["uuid"] == now["uuid"] and before["version"] < now["version"]:
            last["seen"] = deepcopy(before)
            return True
    return False


def invent_value(dice: Random, history: list[Operation]) -> bool:
    reads = [each for each in history if each.outcome == "ok" and (each.actions[0].get("seen") or {}).get("value")]
    if reads:
        seen = dice.choice(reads).actions[0]["seen"]
        assert seen is not None
        seen["value"] = "never"
    return bool(reads)


def double_name(dice: Random, history: list[Operation]) -> bool:
    """Of two who read a name at about the same time, one sees another object."""
    reads = [each for each in history if each.outcome == "ok" and each.actions[0]["do"] == "see"]
    reads = [each for each in reads if (each.actions[0].get("seen") or {}).get("uuid")]
    if not reads:
        return False
    read = dice.choice(reads)
    other = deepcopy(read)
    other.number = len(history)
    seen = other.actions[0]["seen"]
    assert seen is not None
    seen["uuid"] = "another"
    del seen["value"], seen["version"]
    history.append(other)
    return True


def list_twice(dice: Random, history: list[Operation]) -> bool:
    dice.choice(history).listed = [["/u/a", "1"], ["/u/b", "2"], dice.choice([["/u/a", "3"], ["/u/c", "2"]])]
    return True


def fail_strangely(dice: Random, history: list[Operation]) -> bool:
    dice.choice(history).error = "KeyError: 'x'"
    return True


SPOILS = [make_stale, lose_write, invent_value, double_name, list_twice, fail_strangely]


@pytest.mark.parametrize("spoil", SPOILS, ids=lambda spoil: spoil.__name__)
@pytest.mark.parametrize("unknown", [0.0, 0.05])
def test_one_wrong_answer_is_refused(spoil: Spoil, unknown: float) -> None:
    seed = Random().getrandbits(32)
    refused = 0
    for number in range(300):
        if number >= examples(8) and refused > 1:
            break
        maker = Maker(Random(seed + number), unknown)
        history = with_last_reads(maker, maker.make(60))
        if spoil(maker.dice, history):
            found = check(history)
            assert found or unknown, seed + number  # what is unknown may explain it
            refused += bool(found)
    assert refused > 1


def test_a_write_that_was_lost_is_refused() -> None:
    """Whatever comes between, as long as nobody else may have removed it."""
    history = [
        Operation(1, "u", "store", 0, 1, "ok", [{"do": "put", "key": "a", "value": "x", "seen": {"version": 1}}]),
        Operation(2, "u", "store", 2, math.inf, "unknown", [{"do": "put", "key": "a", "value": "y"}]),
        Operation(3, "u", "read", 4, 5, "ok", [{"do": "see", "key": "a", "seen": None}]),
    ]
    assert [fault.kind for fault in check(history)] == ["not linearisable"]
    history[1].actions = [{"do": "drop", "key": "a"}]
    assert check(history) == []
