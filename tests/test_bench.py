"""The measurements measure what they say: medians in turn, ratios the right way round, and no figures of failures."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgpack
import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from bench import aim, compare, scale, simulation, table
from bench.measure import Result, Row, in_turn, print_rows, read_run, write_results
from bench.wire import make_event, measure_rate, zeromq_rate

ANSWER = msgpack.packb([{"message_id": "a", "v": 3}, "OK", [None]])
FAILURE = msgpack.packb([{"message_id": "a", "v": 3}, "ERR", ["NotFound", "nothing is at /x", ""]])


def test_medians_are_taken_in_turn() -> None:
    order: list[str] = []
    figures = {"ours": iter([5.0, 1.0, 900.0]), "peer": iter([2.0, 2.5, 0.1])}

    def measure(name: str) -> float:
        order.append(name)
        return next(figures[name])

    assert in_turn(lambda: measure("ours"), lambda: measure("peer"), rounds=3) == [5.0, 2.0]
    assert order == ["ours", "peer"] * 3


def test_rows_show_each_peer_with_our_ratio_to_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows("Reading", "a second", ["bare", "other"], [Row("one at a time", 1500.0, [3000.0, 500.0], "≥ 0.3")])
    title, head, row = capsys.readouterr().out.strip().splitlines()
    assert title == "Reading (a second)"
    assert head.split() == ["emerge", "bare", "ratio", "other", "ratio", "aim"]
    assert row.split() == ["one", "at", "a", "time", "1,500.0", "3,000.0", "0.50", "500.0", "3.00", "≥", "0.3"]


@given(
    figure=st.floats(0.1, 1e6), times=st.floats(0.2, 5), unit=st.sampled_from(["a second", "µs"]), peers=st.booleans()
)
def test_what_became_slower_is_told_from_one_run_to_the_next(
    figure: float, times: float, unit: str, peers: bool
) -> None:
    """Also when the machine itself was slower: beside a peer only the ratio counts."""
    machine = 3.0 if peers else 1.0
    slower = times if unit == "µs" else 1 / times
    before = Result(title="t", unit=unit, what="w", emerge=figure, peers={"bare": 2.0} if peers else {}, aim="")
    after = Result(**{**before, "emerge": figure * slower * machine, "peers": dict.fromkeys(before["peers"], 6.0)})  # type: ignore[typeddict-item]
    ((found, *_),) = compare.compare([before], [after])
    assert found == pytest.approx(times)


def test_figures_are_written_and_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    print_rows("Walking", "a second", ["bare"], [Row("up", 100.0, [200.0], "≥ 0.3"), Row("down", 100.0, [200.0])])
    write_results(one)
    mine = [row for row in read_run(one)["results"] if row["title"] == "Walking"]
    assert [row["peers"] for row in mine] == [{"bare": 200.0}] * 2
    assert compare.main([str(one), str(one)]) == 0
    capsys.readouterr()
    other.write_text(json.dumps({"results": [{**mine[0], "emerge": 50.0}, mine[1]]}))
    assert compare.main([str(one), str(other)]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first.split()[:2] == ["slower", "2.00x"] and first.endswith("Walking: up") and second.startswith("as before")
    with pytest.raises(SystemExit, match="bench --json"):
        compare.main([str(tmp_path / "absent"), str(one)])


@given(
    figure=st.floats(1, 1e6),
    peer=st.floats(1, 1e6),
    limit=st.integers(1, 50),
    sign=st.sampled_from("≥≤"),
    form=st.integers(0, 2),
)
def test_an_aim_is_on_the_ratio_the_figure_or_the_difference(
    figure: float, peer: float, limit: int, sign: str, form: int
) -> None:
    text = (f"{sign} {limit}", f"{sign} {limit} µs", f"{sign} {limit} µs more")[form]
    meant = (figure / peer, figure, figure - peer)[form]
    row = Result(title="t", unit="µs", what="w", emerge=figure, peers={"bare": peer, "other": 1e9}, aim=text)
    kept = meant >= limit if sign == "≥" else meant <= limit
    assert aim.is_kept(row) == kept
    assert aim.is_kept({**row, "aim": f"{text}, ≤ 999999999 µs"}) == kept
    assert aim.is_kept({**row, "aim": ""}) is None
    with pytest.raises(ValueError, match="no aim of ms"):
        aim.is_kept({**row, "unit": "ms", "aim": f"{sign} {limit} µs"})


def test_the_page_of_figures_is_made_from_its_file() -> None:
    """Whoever writes a figure there by hand, or measures and forgets the page, is found out."""
    run = read_run(table.FIGURES)
    assert table.PAGE.read_text("utf-8") == table.page_text(run)


def test_a_missed_aim_is_said() -> None:
    rows = [
        Result(title="Running", unit="ms", what="up", emerge=30.0, peers={"a|b": 10.0}, aim="≤ 2", bench="node"),
        Result(title="Running", unit="ms", what="down", emerge=15.0, peers={"a|b": 10.0}, aim="≤ 2", bench="node"),
        Result(title="Running", unit="ms", what="on", emerge=5.0, peers={}, aim="", bench="node"),
    ]
    machine: dict[str, str | int] = {"processor": "Z80", "cores": 1, "system": "CP/M"}
    text = table.page_text(
        {"machine": machine, "python": "3.11", "date": "2026-11-30T00:00:00", "load": [0.5, 2.0], "results": rows}
    )
    said = " ".join(text.split())
    assert "Z80, 1 cores, CP/M" in said and "1 of 2 aims are kept" in said and "build.py bench node" in said
    assert text.splitlines()[-3:] == [
        "| up | 30.0 | 10.0 | 3.00 | ≤ 2 | **missed** |",
        "| down | 15.0 | 10.0 | 1.50 | ≤ 2 | kept |",
        "| on | 5.0 |  |  |  |  |",
    ]


def test_every_aim_of_the_measurements_can_be_read() -> None:
    """Those that stand in their modules as they are, without running them."""
    texts = "\n".join(path.read_text("utf-8") for path in Path(compare.__file__).parent.glob("*.py"))
    found = set(re.findall(r'"([≥≤] [^"{]*)"', texts))
    assert found and not [text for text in found for each in text.split(", ") if not aim.CONDITION.fullmatch(each)]


def test_a_rate_counts_every_event_and_keeps_so_many_in_flight() -> None:
    sent: list[bytes] = []
    received: list[int] = []

    def receive() -> bytes:
        received.append(len(sent) - len(received))
        return ANSWER

    events = [make_event("get", [f"/{number}"]) for number in range(10)]
    assert measure_rate(events, 4, sent.append, receive, True) > 0
    assert sent == events
    assert received == [4] * 7 + [3, 2, 1]


def test_a_failing_call_has_no_rate() -> None:
    with pytest.raises(RuntimeError, match="nothing is at /x"):
        measure_rate([b"one", b"two"], 1, lambda _: None, lambda: FAILURE, True)
    assert measure_rate([b"one", b"two"], 1, lambda _: None, lambda: FAILURE, False) > 0


@contextmanager
def answering(payload: bytes, count: int) -> Iterator[str]:
    """The endpoint of a ROUTER that gives so many calls the same answer."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        socket.bind("tcp://127.0.0.1:*")

        def serve() -> None:
            for _ in range(count):
                sender, empty, _ = socket.recv_multipart()
                socket.send_multipart([sender, empty, payload])

        thread = threading.Thread(target=serve)
        thread.start()
        yield socket.getsockopt_string(zmq.LAST_ENDPOINT)
        thread.join(10)


def test_a_rate_over_zeromq() -> None:
    events = [make_event("get", ["/x"]) for _ in range(3)]
    with answering(ANSWER, len(events)) as endpoint:
        assert zeromq_rate(endpoint, events, 2) > 0


def test_a_rate_over_zeromq_refuses_failing_calls() -> None:
    with answering(FAILURE, 1) as endpoint, pytest.raises(RuntimeError, match="the call failed"):
        zeromq_rate(endpoint, [make_event("get", ["/x"])], 1)


def test_nodes_meet_in_the_simulation_and_miss_who_dies() -> None:
    rows = {row.what: row.ours for row in simulation.run(4)}
    assert 0 < rows["seconds until all know all"] < 5
    assert 0 < rows["seconds until a death is known to all"] < 5


@pytest.mark.parametrize("shape", scale.SHAPES)
async def test_scale_is_measured(shape: str, tmp_path: Path) -> None:
    """What is asked in each shape can be asked; nothing is said of how long it takes."""
    costs = await scale.measure(shape, tmp_path, 120)
    assert {"store", "update"} & {what.partition(",")[0] for what in costs.found}
    assert len(costs.found) > 5 and all(figure >= 0 for figure in costs.found.values())
