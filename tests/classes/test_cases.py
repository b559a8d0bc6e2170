"""Every case of the table gives the same answers in every place: see `case.py` for the table, `place.py` for places."""

from __future__ import annotations

import pytest

from .case import Case
from .conftest import OTHERS, Outcomes, find_python, table

BYTES = "captured on Python 3.14, a bundle has other bytes"
KNOWN: dict[str, str] = {
    "seeded17": BYTES,
}
"""Cases that are wrong somewhere, and why."""


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
    assert set(steps) == expected_steps(case)


def expected_steps(case: Case) -> set[str]:
    """What has to be done with a case: nothing is left out unsaid."""
    if case.refused:
        return {"store: refused"}
    steps = {f"store: {step}" for step in ("here", "store", "again", "search")}
    steps |= {"fresh: fresh", "own: own", "run: run"}
    newer = [version for version in OTHERS if find_python(version)] + ["3.14"]
    return steps | {f"bytes{version}: {step}" for version in newer for step in ("read", "capture")}
