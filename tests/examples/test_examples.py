"""The scripts of examples/ run as they are against a node, and print what they are there to show.

airports.py is run by the page's tests, inventory.py also in a cell of the page.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT, Server, run_example, start_server

PRINTED = {
    "inventory.py": """\
30.0
30.0
['widget1']
""",
    "query_object.py": """\
[{'name': 'gear', 'on_hand': 3}, {'name': 'nut', 'on_hand': 8}]
[{'name': 'gear', 'on_hand': 3}, {'name': 'nut', 'on_hand': 8}]
""",
    "aggregation.py": """\
AT 42 41160.0 980.0 1756.0
CH 43 42150.0 980.23 1762.0
DE 43 43140.0 1003.26 1772.0
FR 43 44130.0 1026.28 1822.0
""",
    "word_count.py": """\
[('the', 4), ('cat', 2), ('sat', 2), ('on', 2), ('dog', 2)]
""",
    "geometry.py": """\
{'type': 'Point', 'coordinates': (20.0, 12.5)}
{'/parcels/meadow': 1000.0, '/parcels/orchard': 600.0}
['meadow']
""",
    "report.py": """\
{'article': 'bolt', 'quarter': 1, 'sum': 18, 'best': 9}
{'article': 'bolt', 'quarter': 2, 'sum': 45, 'best': 18}
{'article': 'gear', 'quarter': 1, 'sum': 6, 'best': 3}
{'article': 'gear', 'quarter': 2, 'sum': 15, 'best': 6}
""",
}
NEEDS = {"geometry.py": ("Parcel", "shapely"), "report.py": ("SalesReport", "pandas")}
"""Those that need a package on the node: by which class, and which."""


def started(*options: str) -> Iterator[Server]:
    node = start_server("node", "start", "--port", "0", "--store", "memory:", *options)
    yield node
    assert node.stop() == 0


@pytest.fixture(scope="module")
def equipped() -> Iterator[Server]:
    """A node with the packages that some examples need."""
    yield from started("--preload", "pandas,shapely")


@pytest.fixture(scope="module")
def plain() -> Iterator[Server]:
    """A node with the standard library only."""
    yield from started()


@pytest.mark.parametrize("name", PRINTED)
def test_example_prints(name: str, request: pytest.FixtureRequest) -> None:
    """On a node that has no more than it needs."""
    node: Server = request.getfixturevalue("equipped" if name in NEEDS else "plain")
    assert run_example(name, node.host) == PRINTED[name]
    assert run_example(name, node.host) == PRINTED[name]  # again, over what is there now


@pytest.mark.parametrize(("name", "needs"), NEEDS.items())
def test_node_without_the_package_refuses_by_name(name: str, needs: tuple[str, str], plain: Server) -> None:
    cls, package = needs
    command = [sys.executable, str(ROOT / "examples" / name)]
    env = {**os.environ, "EMERGE_HOST": plain.host}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"Unavailable: {cls} needs {package}, which this node has not loaded" in done.stderr
    assert f"emerge node start --preload {package}" in done.stderr


def test_every_example_is_run() -> None:
    there = {path.name for path in (ROOT / "examples").glob("*.py")}
    assert there == {*PRINTED, "airports.py"}
