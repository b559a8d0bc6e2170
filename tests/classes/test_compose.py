"""Classes composed of any fragments give the same answers here, read afresh, in their own process and on a node."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.conftest import Server
from tests.scale import examples

from .case import Case
from .compose import compose
from .conftest import run_cases

BATCH = 25
"""Cases of one example: starting the places costs more than the cases."""


@pytest.fixture(scope="module")
def run(place: Server, tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[Case]], dict[str, dict[str, str]]]:
    return lambda cases: run_cases(cases, tmp_path_factory.mktemp("composed"), place.host, far=False)


_number = itertools.count()


def composed(random: Random) -> Case:
    case = compose(random, f"composed{next(_number)}")
    case.asked = ["search", "run"]
    return case


@settings(
    max_examples=examples(1),
    phases=[Phase.generate],  # a failing batch names its case; to shrink it would start the places again and again
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    deadline=None,
)
@given(st.randoms(use_true_random=False))
def test_composed_classes_are_the_same_near_and_far(
    run: Callable[[list[Case]], dict[str, dict[str, str]]], random: Random
) -> None:
    cases = {case.name: case for case in (composed(random) for _ in range(BATCH))}
    outcomes = run(list(cases.values()))
    wrong = {name: said for name, steps in outcomes.items() if (said := {k: v for k, v in steps.items() if v})}
    text = "\n".join(f"--- {name}\n{said}\n{cases[name].files}\n{cases[name].made}" for name, said in wrong.items())
    assert not wrong, text
    assert len(outcomes) == BATCH and all(len(steps) >= 7 for steps in outcomes.values())
