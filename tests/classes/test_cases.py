"""Every case of the table gives the same answers in every place: see `case.py` for the table, `place.py` for places."""

from __future__ import annotations

import pytest

from .case import Case
from .conftest import KNOWN, Outcomes, shared_out, table


def parameters() -> list[object]:
    return [
        pytest.param(
            case,
            id=case.name,
            marks=[pytest.mark.xfail(strict=True, reason=KNOWN[case.name])] if case.name in KNOWN else [],
        )
        for case in table()
    ]


@pytest.mark.parametrize("case", parameters())
def test_a_case_is_the_same_everywhere(case: Case, outcomes: Outcomes) -> None:
    steps = outcomes[case.name]
    assert [f"{step}: {said}" for step, said in steps.items() if said] == []
    assert set(steps) == expected_steps(shared_out()[case.name])


def expected_steps(case: Case) -> set[str]:
    """What has to be done with a case: nothing is left out unsaid."""
    if case.refused:
        return {"store: refused"}
    steps = {f"store: {step}" for step in ("here", "store", "again")} | {"fresh: fresh", "own: own"}
    steps |= {"store: search" if use == "search" else "run: run" for use in case.asked}
    return steps | {f"bytes{python}: {step}" for python in case.others for step in ("read", "capture")}
