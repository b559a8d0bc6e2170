"""A node of the release before in a cluster: what both know is served both ways, and the rest told by its name."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emerge_wasm import connect
from emerge_wasm.clients import SyncClient
from emerge_wasm.clients.keys.key_pair import make_pair, write_pair
from emerge_wasm.clients.keys.known_keys import CLIENT, FILE_NAME, MEMBER, Ring, RingEntry
from emerge_wasm.errors import EmergeError, Invalid
from tests.clients.test_skew import SERVED, unpack_release
from tests.conftest import Server, start_server
from tests.scale import examples

BEFORE = "362817d"
"""A commit of the release before: it has volumes and keys, but neither one ring for all nor moves between them."""


def make_keys(folder: Path) -> dict[str, Path]:
    """Two nodes and a superuser, each with a ring of their own that has all three; their key files."""
    pairs = {name: make_pair(name) for name in ("old", "new", "root")}
    paths = {}
    for name, pair in pairs.items():
        paths[name] = folder / name / f"{name}.key"
        write_pair(paths[name], pair)
        for other in pairs.values():
            role = CLIENT if other.name == "root" else MEMBER
            entry = RingEntry(role, other.name, other.public, superuser=role == CLIENT)
            Ring(folder / name / FILE_NAME).add(entry)
    return paths


def wait_for_both(*nodes: SyncClient) -> None:
    until = time.monotonic() + 10
    while any(len(fs.nodes()) < 2 for fs in nodes):
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.parametrize("founder", ["new", "old"][: examples(1)])
def test_nodes_of_two_releases_are_a_cluster(tmp_path: Path, founder: str) -> None:
    keys = make_keys(tmp_path)
    settings: dict[str, dict[str, str]] = {"old": unpack_release(BEFORE, tmp_path / "release"), "new": {}}
    joiner = "new" if founder == "old" else "old"

    def start(name: str, *more: str) -> Server:
        args = ("node", "start", "--port", "0", "--store", "memory:", "--unsafe-run", "--key", str(keys[name]))
        return start_server(*args, *more, env=settings[name])

    servers = [start(founder)]
    root = str(keys["root"])
    try:
        with connect(servers[0].host, key=root) as first:
            first.foundcluster()
            servers.append(start(joiner, "--join", servers[0].found["node"]))
            with connect(servers[1].host, key=root) as second:
                nodes = {founder: first, joiner: second}
                wait_for_both(first, second)
                first.mount("/joined", joiner)
                of = {founder: "/founded", joiner: "/joined"}
                check_served(nodes, of)
                check_told(nodes["new"], of)
                check_ring(nodes["new"], founder)
    finally:
        for server in reversed(servers):
            assert server.stop() == 0


def check_served(nodes: dict[str, SyncClient], of: dict[str, str]) -> None:
    """Each asks the other for its paths, and for its own; users too."""
    for asked, fs in nodes.items():
        for owner, top in of.items():
            d = f"{top}/by-{asked}"
            answers = {name: ask(fs, d) for name, ask in SERVED.items()}
            assert (answers["store"], answers["search"], answers["restore"]) == (1, ["a"], 3), (asked, owner)
            fs.chmod(top, "a+rx")
            fs.chmod(d, "a+rx")
            fs.chmod(f"{d}/a", "a+r")
            assert "a" in [each.name for each in fs.as_user("eve").list(d)], (asked, owner)
    assert len({int(fs.count(None, "/")) for fs in nodes.values()}) == 1


def check_told(new: SyncClient, of: dict[str, str]) -> None:
    """What the older node does not know is told with its name; nothing is done."""
    here, there = (f"{of[name]}/by-new" for name in ("new", "old"))
    unknown: dict[str, Callable[[], Any]] = {
        "to it": lambda: new.mv(f"{here}/0", f"{there}/moved"),
        "from it": lambda: new.mv(f"{there}/0", f"{here}/moved"),
    }
    for what, ask in unknown.items():
        with pytest.raises(Invalid) as refused:
            ask()
        assert refused.value.message.startswith("node old "), what
        assert "does not know moving between nodes" in refused.value.message, what
    for d in (here, there):
        assert [each.name for each in new.list(d)].count("0") == 1
        assert "moved" not in [each.name for each in new.list(d)]
    assert new.holdings()["missing"] == ["old"]
    run = new.within(owners=[["eve", ""], ["adam", ""]])  # as in a run of adam's by eve
    assert "a" in [each.name for each in run.list(here)]
    with pytest.raises(Invalid, match="node old is of another release, which does not know runs"):
        run.list(there)


def check_ring(new: SyncClient, founder: str) -> None:
    """A ring for all is kept by the newer node, or there is none; which it says."""
    pair = make_pair("anna")
    if founder == "new":
        assert new.addkey("anna", pair.public)["missing"] == ["old"]
        return
    with pytest.raises(EmergeError, match="node old is of another release, which does not know a ring of the whole"):
        new.addkey("anna", pair.public)
