"""The command line against a live node, as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command import run_here, run_process
from tests.conftest import Server, run_example, start_server

Emerge = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def widget(place: Server) -> str:
    """The README's object, stored by the README's script."""
    assert run_example("inventory.py", place.host) == "30.0\n30.0\n['widget1']\n"
    return "/inventory/widget1"


def output(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_lists(emerge: Emerge, widget: str) -> None:
    assert "inventory/" in output(emerge("ls")).split()
    assert output(emerge("ls", "/inventory")) == "widget1\n"
    line = output(emerge("ls", "-l", "/inventory"))
    assert line.startswith("-rwxr-x---") and "InventoryItem" in line and line.endswith("widget1\n")
    assert json.loads(output(emerge("--json", "ls", "/inventory")))[0]["class_name"] == "InventoryItem"


def test_prints_state_and_properties(emerge: Emerge, widget: str) -> None:
    assert output(emerge("cat", f"{widget}.unit_price")) == "3.0\n"
    assert json.loads(output(emerge("cat", widget)))["quantity_on_hand"] == 10
    assert "unit_price        3.0\n" in output(emerge("cat", "-p", widget))


def test_shows_code_and_calls(emerge: Emerge, widget: str) -> None:
    assert output(emerge("methods", widget)).startswith("total_cost(")
    assert "def total_cost(self) -> float:" in output(emerge("code", widget))
    assert "One line of stock." in output(emerge("help", widget))
    assert output(emerge("call", widget, "total_cost")) == "30.0\n"
    assert output(emerge("call", widget, "total_cost", "--local")) == "30.0\n"
    where = widget.rpartition("/")[0]
    assert f"{widget}  30.0\n" in emerge("call", where, "total_cost").stdout
    assert f"{widget}  30.0\n" in emerge("call", where, "total_cost", "--local").stdout


def test_makes_copies_moves_and_removes(emerge: Emerge, widget: str) -> None:
    output(emerge("mkdir", "/shelf/top"))
    assert output(emerge("cp", widget, "/shelf/top")) == "/shelf/top/widget1\n"
    assert output(emerge("mv", "/shelf/top/widget1", "/shelf/w2")) == "/shelf/w2\n"
    assert output(emerge("versions", "/shelf/w2")).split()[0] == "v2"
    assert emerge("rm", "/shelf").returncode == 2
    output(emerge("rm", "-r", "/shelf"))
    assert emerge("ls", "/shelf").returncode == 4


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["cat", "/nowhere"], 4, "nothing is at /nowhere"),
        (["cat", "relative"], 2, "not absolute"),
        (["call", "/inventory/widget1", "nothing"], 4, "total_cost"),
        (["call", "/inventory/widget1", "total_cost", "1"], 2, "it is total_cost() -> float"),
        (["rm", "/"], 2, "/"),
    ],
)
def test_errors_name_the_thing(emerge: Emerge, widget: str, words: list[str], code: int, text: str) -> None:
    done = emerge(*words)
    assert done.returncode == code and text in done.stderr
    assert 'Traceback (most recent call last):\n  File "/' not in done.stderr
    failed = emerge("--json", *words)
    assert json.loads(failed.stderr)["error"]["code"]


def test_says_at_once_that_no_node_runs(emerge: Emerge) -> None:
    """At once: what a busy machine needs to start Python is not counted."""
    start = time.monotonic()
    emerge("--help")
    started = time.monotonic()
    done = emerge("-h", "127.0.0.1:9", "ls")
    assert done.returncode == 7 and "emerge node start" in done.stderr
    assert time.monotonic() - started < 5 + 3 * (started - start)


def test_a_python_that_is_not_there_is_named(emerge: Emerge) -> None:
    done = emerge("node", "start", "--store", "memory:", "--python", "no-such-python")
    assert done.returncode == 7 and "methods cannot run under no-such-python: there is no such" in done.stderr


def test_init_names_a_node(emerge: Emerge, place: Server, tmp_path: Path, widget: str) -> None:
    output(emerge("-h", place.host, "init"))
    assert emerge("init").returncode == 2
    assert output(run_process(["ls", "/inventory"], tmp_path, {"EMERGE_HOST": ""})) == "widget1\n"


def test_a_node_keeps_its_data_and_stops_cleanly(tmp_path: Path) -> None:
    args = ["node", "start", "--port", "0", "--store", f"sqlite:///{tmp_path}/node.db"]
    node = start_server(*args, sandbox=False)
    output(run_process(["-h", node.host, "mkdir", "/kept"], tmp_path, {}))
    assert node.stop() == 0
    node = start_server(*args, sandbox=False)
    done = run_process(["-h", node.host, "ls"], tmp_path, {})
    assert node.stop() == 0 and done.stdout == "kept/\n"


def start_emerge(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "emerge_wasm.cli", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_nodes_are_a_cluster(tmp_path: Path) -> None:
    def run(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
        return run_here(["-h", server.host, *words], tmp_path, {})

    first = start_server("node", "start", "--port", "0", "--name", "a", "--store", "memory:", sandbox=False)
    output(run(first, "cluster", "found"))
    joins = ["--join", first.found["node"], "--join", "tcp://127.0.0.1:1"]
    second = start_server("node", "start", "--port", "0", "--name", "b", "--store", "memory:", *joins, sandbox=False)
    deadline = time.monotonic() + 20
    while run(first, "mount", "/on", "--on", "b").returncode and time.monotonic() < deadline:
        time.sleep(0.1)
    output(run(second, "mkdir", "/on/b"))
    done = run(first, "ls", "-l", "/on")
    assert done.returncode == 0 and " b " in done.stdout, done.stderr
    assert run(second, "volumes").stdout.split() == ["/", "a", "/on", "b"]
    done = run(second, "nodes")
    assert [line.split()[:2] for line in done.stdout.splitlines()][2:] == [["unjoined", "-"]]
    assert "warning: tcp://127.0.0.1:1 cannot be joined now, and is tried again: no node answers" in done.stderr
    watch = start_emerge("-h", first.host, "nodes", "--watch", "-n", "3")
    assert watch.stdout is not None
    seen = [watch.stdout.readline().split()[2:] for _ in range(2)]
    assert second.stop() == 0
    seen.append(watch.stdout.readline().split()[2:])
    assert seen == [
        ["here", "a", first.found["node"], "/"],
        ["here", "b", second.found["node"], "/on"],
        ["left", "b", second.found["node"], "/on"],
    ]
    assert watch.wait(10) == 0
    watch.stdout.close()
    assert [(row["node"], row["state"]) for row in json.loads(run(first, "--json", "nodes").stdout)] == [
        ("a", "here"),
        ("b", "away"),
    ]
    done = run(first, "ls", "/")
    assert (done.stdout, done.stderr) == ("on/\n", "warning: node b is away: what it holds is left out\n")
    done = run(first, "mkdir", "/on/c")
    assert done.returncode == 7 and "/on/c is on node b, which is away" in done.stderr
    assert first.stop() == 0


@pytest.mark.parametrize("server", ["node", "relay"])
def test_servers_refuse_to_listen_beyond_loopback(server: str, tmp_path: Path) -> None:
    options = ["--store", "memory:"] if server == "node" else ["--dir", str(tmp_path)]
    done = run_process([server, "start", "--bind", "0.0.0.0", *options], tmp_path, {})
    assert done.returncode == 2 and "127.0.0.1" in done.stderr


def test_airports_example(place: Server, emerge: Emerge) -> None:
    said = run_example("airports.py", place.host)
    assert said.startswith("3376 airports in ") and "SFO to JFK: 41" in said
    assert len(output(emerge("ls", "/airports/AK")).splitlines()) == 263
