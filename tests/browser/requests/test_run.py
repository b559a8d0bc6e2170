"""Arguments as the page sends them."""

from __future__ import annotations

import pytest

from emerge_wasm.browser.requests.run import read_arguments
from emerge_wasm.errors import Invalid


def test_arguments_are_values_not_code() -> None:
    assert read_arguments("2, 'a, b', rate=-0.1,") == ([2, "a, b"], {"rate": -0.1})
    assert read_arguments("") == ([], {})


@pytest.mark.parametrize("text", ["open('x')", "*[1]", "**{}", "a.b", "1)(2", "__import__('os')", "1 +", "x := 1"])
def test_arguments_refused(text: str) -> None:
    with pytest.raises(Invalid):
        read_arguments(text)
