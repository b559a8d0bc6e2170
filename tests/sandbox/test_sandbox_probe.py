"""The attacks: each is stopped by the whole sandbox, for the right reason; each gets through where there is none."""

from __future__ import annotations

import os
import platform
import re
from random import Random

import pytest

from emerge_wasm.errors import Unavailable
from emerge_wasm.sandbox import Pool, examine
from emerge_wasm.sandbox.probe.attacks import ATTACKS, DEADLY
from emerge_wasm.sandbox.probe.probe import probe
from emerge_wasm.sandbox.settings import LAYERS
from tests.scale import examples

from .conftest import call_of
from .thing import Thing

REFUSED = r"PermissionError: \[Errno 1\] Operation not permitted"
REASONS = {
    "read_file": REFUSED,
    "write_file": REFUSED,
    "read_proc": REFUSED,
    "list_directory": REFUSED,
    "look_at_file": REFUSED,
    "internet": REFUSED,
    "datagram": REFUSED,
    "unix_socket": REFUSED,
    "signal_node": REFUSED,
    "signal_parent": REFUSED,
    "fork": REFUSED,
    "spawn": REFUSED,
    "execute": REFUSED,
    "threads": "RuntimeError: can't start new thread",
    "environment": "Stopped: found nothing",
    "descriptors": "Stopped: found nothing",
    "identity": "Stopped: found nothing",
    "raw_calls": "Stopped: found nothing",
    "memory": "MemoryError",
    "foreign_calls": r"signal 31 \(SIGSYS\)",
    "loop": "it took longer than 0.05 s",
}

root = os.geteuid() == 0
BREACHES = {
    "descriptors": {"descriptors"},
    "environment": {"environment"},
    # without it an ordinary user gets neither Landlock nor seccomp, and with them goes nearly all
    "no_new_privs": {"read_file", "internet", "fork", "raw_calls", "execute"},
    "memory": {"memory"},
    "rlimits": set(),
    "user": {"identity"} if root else set(),
    "dumpable": set(),
    "parent": set(),
    "Landlock": set(),
    "seccomp": {"look_at_file", "datagram", "fork", "raw_calls", "descriptors"} - {"descriptors"},
}
"""By the layer that is left out, what gets through at least; where nothing does, other layers stop the same."""


async def test_all_attacks_are_stopped_for_the_right_reason() -> None:
    async with Pool(1) as pool:
        findings = await probe(pool)
        assert (findings.breaches, findings.missing, findings.fault) == ({}, {}, "")
        assert set(findings.stopped) == set(REASONS) == set(ATTACKS) | set(DEADLY)
        for name, reason in REASONS.items():
            if name != "foreign_calls" or platform.machine() == "x86_64":
                assert re.search(reason, findings.stopped[name]), (name, findings.stopped[name])
        assert f"{len(REASONS)} attacks stopped" in await examine(pool)
        assert pool.kind == "sandbox"


async def test_all_attacks_get_through_where_there_is_no_sandbox() -> None:
    async with Pool(1, layers=()) as pool:
        findings = await probe(pool)
    never = {"loop", "foreign_calls"} | (set() if root else {"identity"})
    assert set(findings.breaches) == set(REASONS) - never
    assert set(findings.missing) == set(LAYERS)


async def test_a_layer_that_is_left_out_is_found() -> None:
    """Each in its turn, of which a run tries some."""
    for layer in Random().sample(LAYERS, min(examples(4), len(LAYERS))):
        await check_left_out(layer)


async def check_left_out(layer: str) -> None:
    async with Pool(1, layers=tuple(name for name in LAYERS if name != layer)) as pool:
        findings = await probe(pool)
        assert findings.missing[layer] == "left out"
        assert set(findings.breaches) >= BREACHES[layer]
        if not BREACHES[layer]:
            assert not findings.breaches
        assert pool.kind == ""
        with pytest.raises(Unavailable, match=rf"runs no code.*{layer} \(left out\)"):
            await pool.run(call_of(Thing(name="one"), "total", 1))


async def test_without_seccomp_landlock_stops_files_and_programs_yet() -> None:
    async with Pool(1, layers=tuple(name for name in LAYERS if name != "seccomp")) as pool:
        findings = await probe(pool)
    for name in ("read_file", "write_file", "list_directory", "internet", "unix_socket", "signal_node", "execute"):
        assert "Permission" in findings.stopped[name], name


async def test_a_breach_makes_a_node_refuse() -> None:
    async with Pool(1, layers=tuple(name for name in LAYERS if name != "memory")) as pool:
        pool.refusal = ""  # as if the layer were there, and only did not hold
        assert "runs no methods" in await examine(pool)
        assert pool.kind == ""
        with pytest.raises(Unavailable, match=r"its sandbox does not hold: .*memory got through") as caught:
            await pool.run(call_of(Thing(name="one"), "total", 1))
        assert "--unsafe-run" in str(caught.value)


async def test_unsafe_is_said_and_runs() -> None:
    async with Pool(1, unsafe=True) as pool:
        assert "UNSAFE" in await examine(pool)
        assert pool.kind == "unsafe"
        assert (await pool.run(call_of(Thing(name="one"), "total", 2))).result == 6.0
        findings = await probe(pool)
        assert {"read_file", "internet", "fork", "execute"} <= set(findings.breaches)
        assert not {"environment", "memory", "descriptors"} & set(findings.breaches)
