"""Everything that the documentation shows is run: first a page's Python, as one script, then its commands in order.

Each page has a node of its own, so that what it shows is exact: the README a process, as a user starts it, the others
one in this process, and all of these one sandbox.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from click import Context

import emerge_wasm
from emerge_wasm import codec
from emerge_wasm.browser.console.cell import compile_cell
from emerge_wasm.browser.console.magic import prepare
from emerge_wasm.bundles import body, expression
from emerge_wasm.cli.main import EXIT_CODES, main
from emerge_wasm.cli.server import start_node, start_runner
from emerge_wasm.clients import archive, remote
from emerge_wasm.clients import writes as writing
from emerge_wasm.clients.transports import websocket
from emerge_wasm.clients.transports.address import DEFAULT_HOST
from emerge_wasm.cluster.membership import TIMES
from emerge_wasm.context import UMASK
from emerge_wasm.filesystem.filesystem import FORMAT
from emerge_wasm.filesystem.indexes import index_row
from emerge_wasm.filesystem.runner import Runner
from emerge_wasm.filesystem.runs import host as hosting
from emerge_wasm.filesystem.runs import invoke as invocation
from emerge_wasm.filesystem.runs import object_lock as turn
from emerge_wasm.filesystem.runs import receipt
from emerge_wasm.filesystem.runs.inside import execute
from emerge_wasm.filesystem.searches import aggregate, searchtext
from emerge_wasm.filesystem.searches import define_index as defining
from emerge_wasm.filesystem.transactions import overlay, transaction
from emerge_wasm.filesystem.tree import load
from emerge_wasm.query import order
from emerge_wasm.relay import capacity
from emerge_wasm.relay.settings import BrowserLimits
from emerge_wasm.stores.dynamodb import open as dynamodb_open
from emerge_wasm.stores.dynamodb import write as dynamodb_write
from emerge_wasm.stores.engine import ENGINES
from emerge_wasm.stores.zodb import location as zodb_place
from emerge_wasm.sync import wait
from emerge_wasm.wire import event
from emerge_wasm.wire.server import ServerChannels
from tests.command import EMERGE, run_here
from tests.conftest import ROOT, start_server
from tests.docs.page import CELL, SHOWN, Block, matches, read_arrows, read_blocks, read_commands
from tests.scale import SCALE

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = {page.name if page.parent != ROOT else "README": read_blocks(page) for page in PAGES}
ALL = [pytest.param(block, id=f"{name}:{block.line}") for name, blocks in BLOCKS.items() for block in blocks]
SERVERS = (["node", "start"], ["relay", "start"], ["up"])
"""Commands that do not end, so that a page only shows them."""

Run = Callable[[list[str]], subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    stack = AsyncExitStack()
    yield wait(start_runner(stack, unsafe=False, preload="", pythons=()))[0]
    wait(stack.aclose())


@pytest.fixture
def host(request: pytest.FixtureRequest, name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where a fresh node listens that is called desk and is Anna's."""
    if name == "README" or SCALE > 1:
        words = ("node", "start", "--port", "0", "--store", "memory:", "--name", "desk")
        server = start_server(*words, env={"LOGNAME": "anna"})
        yield server.host
        assert server.stop() == 0
        return
    monkeypatch.setenv("LOGNAME", "anna")
    stack, runner = AsyncExitStack(), request.getfixturevalue("runner")
    started = start_node(stack, name="desk", bind="tcp://127.0.0.1:0", store="memory:", runner=runner, run_timeout=30.0)
    yield wait(started).endpoint.removeprefix("tcp://")
    wait(stack.aclose())


@pytest.fixture
def run(tmp_path: Path, name: str, host: str) -> Run:
    """Run a program beside a copy of the examples, with a node for it to talk to."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    env = {"EMERGE_HOST": host}

    def run(command: list[str]) -> subprocess.CompletedProcess[str]:
        if command[:2] == EMERGE[1:] and name != "README":
            done = run_here(command[2:], tmp_path, env)
            done.stdout += done.stderr
            return done
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "timeout": 60}
        both = {**os.environ, **env}
        return subprocess.run([sys.executable, *command], cwd=tmp_path, env=both, check=False, **options)

    return run


@pytest.mark.parametrize("name", [name for name, blocks in BLOCKS.items() if any(b.tag not in SHOWN for b in blocks)])
def test_page_runs(name: str, run: Run, tmp_path: Path) -> None:
    run_python([block for block in BLOCKS[name] if block.tag == "python" and not block.mark], run, tmp_path)
    for block in BLOCKS[name]:
        if block.tag == "console":
            run_commands(block, run)


def run_python(blocks: list[Block], run: Run, folder: Path) -> None:
    """The blocks as one script, whose lines are those of the page; what it prints is what its arrows say."""
    text = ""
    for block in blocks:
        text += "\n" * (block.line - text.count("\n")) + block.text + "\n"
    (folder / "page.py").write_text(text, encoding="utf-8")
    done = run(["page.py"]) if blocks else None
    assert done is None or done.returncode == 0, done.stdout
    arrows = read_arrows(text)
    assert done is None or not arrows or matches("\n".join(arrows), done.stdout), done.stdout


def run_commands(block: Block, run: Run) -> None:
    for command in read_commands(block):
        program = {"emerge": EMERGE[1:], "python": []}[command.words[0]]
        done = run([*program, *command.words[1:]])
        where = f"line {command.line}: {' '.join(command.words)}\n{done.stdout}"
        assert (done.returncode != 0) == ("error: " in command.output or '{"error"' in command.output), where
        assert not command.output or matches(command.output, done.stdout), where


@pytest.mark.parametrize("block", ALL)
def test_what_is_not_run_says_so(block: Block) -> None:
    """Only servers and cells are shown without being run, and cells are Python all the same."""
    assert block.tag in {"console", "python", *SHOWN}, block.tag
    if block.mark:
        assert (block.tag, block.mark) == ("python", CELL)
        compile_cell(prepare(block.text, "<cell>"), "<cell>")
    if block.tag in SHOWN:
        for words in (line.split() for line in block.text.split("\n") if line.startswith("$ emerge")):
            assert any(words[2 : 2 + len(server)] == server for server in SERVERS), words


def test_every_page_is_linked() -> None:
    """From the README, or from a page beside it."""
    texts = {page: page.read_text(encoding="utf-8") for page in PAGES}
    for page in PAGES[1:]:
        assert any(f"{page.name})" in text for other, text in texts.items() if other != page), page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:

    for link in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


def test_the_architecture_names_files_that_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:py|web|tests)/[\w./]+)`", text)
    assert len(named) > 30
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a  b", "a  b\n", True),
        ("a  b", "a  c\n", False),
        ("a … c", "a bb c\n", True),
        ("a\n…\nd", "a\nb\nc\nd\n", True),
        ("a\n…\nd", "a\nb\nc\n", False),
        ("v1  2026-11-23 08:00:00", "v1  2027-01-02 03:04:05\n", True),
        ("a", "a\nb\n", False),
    ],
)
def test_comparing(shown: str, printed: str, same: bool) -> None:
    assert matches(shown, printed) == same


def mebi(size: int) -> str:
    return f"{size >> 20} MiB"


RELAY, RUN = BrowserLimits(), execute.RunLimits()
FACTS = {
    "cli.md": [f"| {code} | {name}" for name, code in EXIT_CODES.items()],
    "client.md": [
        f"{remote.AT_ONCE} calls at a time",
        f"{writing.BATCH:,} objects in one commit",
        f"{transaction.OPEN_LIMIT:,} may be open at once,\n"
        f"of {overlay.ROWS_LIMIT:,} rows and {mebi(overlay.BYTES_LIMIT)} each",
        *(f"`{name}(" for name in emerge_wasm.CLASSIC),
    ],
    "cluster.md": [
        DEFAULT_HOST,
        f"silent for {TIMES.suspicion} s",
        f"{mebi(RELAY.message)} a message, {RELAY.requests} calls and {mebi(RELAY.request_bytes)} of calls under way",
        f"{mebi(RELAY.queue_bytes)} of answers waiting",
        f"({capacity.LEAST} to {capacity.MOST:,} browsers",
    ],
    "stores.md": [
        *(f"| `{engine.example.split('?')[0]}` |" for engine in ENGINES.values()),
        *(f"| `{name}` | " for name in ENGINES),
        *(f" | `{engine.hint.split('[')[1].split(']')[0]}` | " for engine in ENGINES.values() if "[" in engine.hint),
        *(f"`{name}`" for name in (*dynamodb_open.OPTIONS[1:], *zodb_place.OPTIONS)),
        "`create=no`",
        f"has {dynamodb_write.ROWS} rows at most",
        f"has a format: {FORMAT.decode()}.",
    ],
    "model.md": [f"`{UMASK:03o}` unless", archive.FORMAT],
    "objects.md": [
        f"{mebi(codec.SIZE_LIMIT)} a state ({mebi(RELAY.message)} through a relay), and {codec.DEPTH_LIMIT} levels",
        f"{mebi(RUN.output)} printed, {RUN.result >> 20}\nMiB of result, {RUN.items:,} items",
    ],
    "running.md": [
        f"{turn.DEPTH} inside one another",
        f"{hosting.CALLS:,} times",
        f"newest {receipt.KEPT}",
        {5: "five times"}[invocation.ATTEMPTS],
    ],
    "search.md": [
        f"| {body.TEXT_LIMIT:,} characters, nested {body.DEPTH_LIMIT} deep; {mebi(expression.VALUES_LIMIT)} captured",
        f"| {load.PAGE_LIMIT:,} objects",
        f"| {defining.FIELDS_LIMIT}, {defining.INDEXES_LIMIT} |",
        f"its first {order.TEXT_BYTES} bytes",
        f"| {searchtext.WORDS_LIMIT}, of {index_row.WORD_LENGTH} characters each",
        f"| {searchtext.OBJECTS_LIMIT:,} |",
        f"| {aggregate.GROUPS_LIMIT:,}, {aggregate.VALUES_LIMIT:,} |",
        f"| {aggregate.FIGURES_LIMIT} |",
    ],
    "wire.md": [
        f"`{websocket.SUBPROTOCOL}`",
        f"`{websocket.STATUS}`",
        f"`{event.END}`",
        f"every {event.HEARTBEAT_SECONDS:g} s",
        f"| {mebi(event.SIZE_LIMIT)}; a longer one closes the connection | {mebi(RELAY.message)};",
        f"{ServerChannels().each:,} a principal, {ServerChannels().total:,} in all | {RELAY.requests},",
        f"{RELAY.queue:,} and {mebi(RELAY.queue_bytes)}",
        *(f"{number.value} {number.name.lower()[:4]}" for number in codec.value.Ext if number.value in (2, 3, 4, 6)),
    ],
}


@pytest.mark.parametrize(("page", "fact"), [(page, fact) for page, facts in FACTS.items() for fact in facts])
def test_numbers_and_names_are_the_code_s(page: str, fact: str) -> None:
    assert fact in (ROOT / "docs" / page).read_text(encoding="utf-8")


def test_every_command_and_every_error_is_told() -> None:
    shown = "\n".join(block.text for block in BLOCKS["cli.md"])
    assert [name for name in main.list_commands(Context(main)) if f" {name}" not in shown] == []
    errors = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
    kinds = [name for name in emerge_wasm.errors.__all__ if name not in ("EmergeError", "error_from_wire")]
    assert [name for name in kinds if f"| `{name}` |" not in errors] == []
