"""A page of the documentation, read for its code blocks."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

SHOWN = {"text", "bash", "ini"}
"""Fence tags of what is only shown; `console` and `python` are run."""

MARK = re.compile(r"<!-- (?P<why>.+) -->")
CELL = "a cell of the page"
"""The one reason for a python block not to be run here; it must still be Python."""


@dataclass(frozen=True)
class Block:
    """A fenced block: its tag, its text, the line it begins at, and the mark above it ("" for none)."""

    tag: str
    text: str
    line: int
    mark: str


@dataclass(frozen=True)
class Command:
    """A `$ ` line and the output shown below it ("" when none is shown)."""

    words: list[str]
    output: str
    line: int


def read_blocks(path: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    blocks: list[Block] = []
    lines = path.read_text(encoding="utf-8").split("\n")
    at = 0
    while at < len(lines):
        if lines[at].startswith("```"):
            end = lines.index("```", at + 1)
            above = MARK.fullmatch(lines[at - 1]) if at else None
            text = "\n".join(lines[at + 1 : end])
            blocks.append(Block(lines[at][3:], text, at + 1, above["why"] if above else ""))
            at = end
        at += 1
    return blocks


def read_commands(block: Block) -> list[Command]:
    """The commands of a console block."""
    commands: list[Command] = []
    shown: list[str] = []
    for number, line in reversed(list(enumerate(block.text.split("\n"), block.line + 1))):
        if line.startswith("$ "):
            words = shlex.split(line[2:], comments=True)
            commands.insert(0, Command(words, "\n".join(reversed(shown)).strip("\n"), number))
            shown = []
        else:
            shown.append(line)
    assert not any(shown), f"line {block.line}: a console block begins with a command"
    return commands


def read_arrows(text: str) -> list[str]:
    """What a python block says that it prints: `print(x)  # → 3`, one line each."""
    return re.findall(r"# → (.*)$", text, re.MULTILINE)


def matches(shown: str, printed: str) -> bool:
    """Whether the output is what the page shows; `…` stands for anything within a line, alone for any lines."""
    pattern = ""
    for line in _still(shown).split("\n"):
        words = ".*".join(re.escape(part.rstrip()) for part in line.split("…"))
        pattern += r"(?:.*\n)*?" if line.strip() == "…" else words + r" *\n"
    return re.fullmatch(pattern, _still(printed).rstrip("\n") + "\n") is not None


def _still(text: str) -> str:
    """Dates and times stand for one another."""
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "2026-01-01 00:00:00", text)
