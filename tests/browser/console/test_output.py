"""What cells print: batched, in order, and cut at a limit."""

from __future__ import annotations

from emerge_wasm.browser.console.output import ConsoleOutput, StreamName


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
