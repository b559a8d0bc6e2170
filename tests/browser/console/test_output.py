"""What cells print: batched, in order, and cut at a limit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from emerge_wasm.browser.console.output import DELAY, LINES, ConsoleOutput, StreamName


def test_output_is_batched_in_order_and_cut() -> None:
    sent: list[tuple[int, str, str]] = []
    output = ConsoleOutput(lambda *piece: sent.append(piece), limit=10, clock=lambda: 0.0)
    output.begin(1)
    pieces: list[tuple[StreamName, str]] = [
        ("stdout", "abc"),
        ("stdout", "def"),
        ("stderr", "!"),
        ("stdout", "ghijkl"),
        ("stdout", "m"),
    ]
    for stream, text in pieces:
        output.write(stream, text)
    output.flush()
    assert sent[:3] == [(1, "stdout", "abcdef"), (1, "stderr", "!"), (1, "stdout", "ghi")]
    assert "more than 10 characters" in sent[3][2]
    assert len(sent) == 4
    output.begin(2)
    output.write("stdout", "again")
    output.flush()
    assert sent[-1] == (2, "stdout", "again")


@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from(["a", " ", "bc", ".\r"]), min_size=1), st.sampled_from([0.0, 0.001, 1.0]))
    )
)
def test_a_line_is_sent_when_it_ends(lines: list[tuple[list[str], float]]) -> None:
    """Before anything else is computed, unless many came just before; then in few batches."""
    now, sent, printed, ended = 1.0, list[str](), "", list[float]()
    output = ConsoleOutput(lambda cell, stream, text: sent.append(text), clock=lambda: now)
    output.begin(1)
    for pieces, seconds in lines:
        now += seconds
        for piece in [*pieces, "\n"]:  # as print writes them
            output.write("stdout", piece)
            printed += piece
        ended.append(now)
        if sum(now - each <= DELAY for each in ended) <= LINES:
            assert "".join(sent) == printed
    output.flush()
    assert "".join(sent) == printed
    assert len(sent) <= (2 * LINES + 1) * (1 + sum(seconds > 0 for _, seconds in lines))
