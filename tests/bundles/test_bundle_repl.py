"""A class typed at the prompt of a real interactive interpreter, on a terminal of its own."""

from __future__ import annotations

import os
import pty
import select
import sys
import time

SESSION = [
    "from dataclasses import dataclass",
    "from emerge_wasm import EmergeFile",
    "from emerge_wasm.bundles import capture",
    "FACTOR = 3",
    "def scaled(n):",
    "    return n * FACTOR",
    "",
    "@dataclass",
    "class Typed(EmergeFile):",
    "    size: int = 1",
    "    def scaled(self): return scaled(self.size)",
    "",
    "print('first', [b.class_name for b in capture(Typed)][-1], 'FACTOR = 3' in capture(Typed)[-1].preamble)",
    "@dataclass",
    "class Typed(EmergeFile):",
    "    size: int = 2",
    "    def scaled(self): return scaled(self.size) + 1",
    "",
    "print('second', '+ 1' in capture(Typed)[-1].source, 'size: int = 2' in capture(Typed)[-1].source)",
    "exit()",
]


def converse(lines: list[str]) -> str:
    """What an interactive Python prints when these lines are typed."""
    pid, terminal = pty.fork()
    if pid == 0:
        environment = {
            **os.environ,
            "TERM": "dumb",
            "PYTHON_BASIC_REPL": "1",
            "PYTHONSTARTUP": "",
            "HOME": "/nonexistent",
        }
        os.execve(sys.executable, [sys.executable, "-q"], environment)
    said = b""
    try:
        for line in lines:
            said += _hear(terminal)
            os.write(terminal, line.encode() + b"\n")
        said += _hear(terminal, end=True)
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)
    return said.decode(errors="replace")


def _hear(terminal: int, *, end: bool = False) -> bytes:
    """Read up to the next prompt, or to the end."""
    heard = b""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                piece = os.read(terminal, 65536)
            except OSError:  # the other side is gone
                break
            if not piece:
                break
            heard += piece
        if not end and heard.endswith((b">>> ", b"... ")):
            break
    return heard


def test_classes_typed_at_the_prompt_ship() -> None:
    said = converse(SESSION)
    assert "first Typed True" in said, said
    assert "second True True" in said, said
