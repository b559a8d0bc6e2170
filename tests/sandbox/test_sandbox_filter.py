"""The filter of system calls, run here as the kernel would run it: for both architectures, on any machine."""

from __future__ import annotations

import errno
import struct

import pytest

from emerge_wasm.sandbox.confine.landlock import attributes
from emerge_wasm.sandbox.confine.seccomp import ALLOWED, ARCHITECTURES, Architecture, program

ALLOW, EPERM, ENOSYS, KILL = 0x7FFF0000, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS, 0x80000000
PTHREAD = 0x3D0F00
BOTH = pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=list(ARCHITECTURES))


def verdict(architecture: Architecture, number: int, *args: int, threads: bool = True, audit: int = 0) -> int:
    """What the kernel does with a call: an interpreter of classic BPF."""
    values = [*args, *[0] * (6 - len(args))]
    data = struct.pack("=iIQ6Q", number, audit or architecture.audit, 0, *(value % (1 << 64) for value in values))
    steps = list(struct.iter_unpack("=HBBI", program(architecture, threads=threads)))
    at = register = 0
    while True:
        code, if_true, if_false, value = steps[at]
        at += 1
        match code:
            case 0x20:
                (register,) = struct.unpack_from("=I", data, value)
            case 0x54:
                register &= value
            case 0x06:
                return int(value)
            case 0x15 | 0x35 | 0x45:
                holds = {0x15: register == value, 0x35: register >= value, 0x45: bool(register & value)}[code]
                at += if_true if holds else if_false


@BOTH
def test_nothing_but_what_is_listed(architecture: Architecture) -> None:
    numbers = architecture.numbers
    some = {"mmap", "mprotect", "sendto", "fcntl", "clone", "clone3"}
    allowed = {number for number in range(600) if verdict(architecture, number) == ALLOW}
    assert allowed - {numbers[name] for name in some} == {numbers[name] for name in ALLOWED if name in numbers}
    assert set(numbers) == some | {name for name in ALLOWED if name in numbers}
    refused = set(range(600)) - allowed - {numbers["clone3"]}
    assert {verdict(architecture, number) for number in refused} == {EPERM}


@BOTH
def test_other_architectures_are_killed(architecture: Architecture) -> None:
    for other in [0x40000003, *(each.audit for each in ARCHITECTURES.values() if each is not architecture)]:
        assert verdict(architecture, architecture.numbers["read"], audit=other) == KILL


def test_x32_is_killed() -> None:
    assert verdict(ARCHITECTURES["x86_64"], 0x40000000) == KILL
    assert verdict(ARCHITECTURES["x86_64"], 0x40000000 + 0) == KILL
    assert verdict(ARCHITECTURES["x86_64"], -1) == KILL


@BOTH
def test_memory_is_never_executable(architecture: Architecture) -> None:
    for name in ("mmap", "mprotect"):
        number = architecture.numbers[name]
        assert verdict(architecture, number, 0, 4096, 3) == ALLOW
        for prot in (4, 5, 7):
            assert verdict(architecture, number, 0, 4096, prot) == EPERM


@BOTH
def test_what_is_sent_has_no_address(architecture: Architecture) -> None:
    number = architecture.numbers["sendto"]
    assert verdict(architecture, number, 3, 1, 1, 0, 0, 0) == ALLOW
    assert verdict(architecture, number, 3, 1, 1, 0, 1 << 40, 16) == EPERM
    assert verdict(architecture, number, 3, 1, 1, 0, 0x1000, 16) == EPERM


@BOTH
def test_clone_makes_threads_only(architecture: Architecture) -> None:
    clone = architecture.numbers["clone"]
    assert verdict(architecture, clone, PTHREAD) == verdict(architecture, clone, PTHREAD | 0x400000) == ALLOW
    assert verdict(architecture, clone, PTHREAD, threads=False) == EPERM
    for flags in (17, 0x4111, PTHREAD | 0x10000000, PTHREAD & ~0x10000, 0):
        assert verdict(architecture, clone, flags) == EPERM
    assert verdict(architecture, architecture.numbers["clone3"]) == ENOSYS


@BOTH
def test_fcntl_only_looks(architecture: Architecture) -> None:
    number = architecture.numbers["fcntl"]
    verdicts = {command: verdict(architecture, number, 3, command) for command in range(20)}
    assert {command for command, what in verdicts.items() if what == ALLOW} == {1, 2, 3}


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (1, [0x1FFF]),
        (2, [0x3FFF]),
        (3, [0x7FFF]),
        (4, [0x7FFF, 3]),
        (5, [0xFFFF, 3]),
        (6, [0xFFFF, 3, 3]),
        (9, [0xFFFF, 3, 3]),
    ],
)
def test_landlock_handles_all_that_its_version_knows(version: int, words: list[int]) -> None:
    assert attributes(version) == struct.pack(f"={len(words)}Q", *words)
