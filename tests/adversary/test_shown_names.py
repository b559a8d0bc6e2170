"""A name with a control of the direction of text does not look like another one on a terminal."""

from __future__ import annotations

import os
import subprocess
import unicodedata
from pathlib import Path

from emerge_wasm import connect
from emerge_wasm.cli.terminal import visible
from emerge_wasm.objects import EmergeFile
from tests.command import EMERGE
from tests.conftest import start_server

NAME = "invoice\u202efdp.exe"


def test_all_controls_of_direction_are_seen_and_all_else_stays() -> None:
    kinds = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    marks = {"\u061c", "\u200e", "\u200f"}
    for char in map(chr, range(0x3000)):
        control = unicodedata.bidirectional(char) in kinds or char in marks
        assert (visible(char) != char) == control, hex(ord(char))


def read_line(descriptor: int) -> str:
    data = b""
    while not data.endswith(b"\n"):
        data += os.read(descriptor, 10_000)
    return data.decode()


def test_a_terminal_shows_them_and_a_file_has_them(tmp_path: Path) -> None:
    server = start_server("node", "start", "--port", "0", "--store", "memory:", sandbox=False)
    try:
        with connect(server.found["node"]) as fs:
            fs.store(EmergeFile(name=NAME, path="/mail"))
        words = [*EMERGE, "-h", server.host, "ls", "/mail"]
        theirs, ours = os.openpty()
        env = {**os.environ, "PYTHONIOENCODING": "utf-8", "LC_ALL": "C.UTF-8"}
        subprocess.run(words, stdout=ours, check=True, timeout=60, env=env)
        shown = read_line(theirs)
        os.close(ours)
        os.close(theirs)
        kept = subprocess.run(words, capture_output=True, check=True, timeout=60, env=env).stdout.decode()
    finally:
        assert server.stop() == 0
    assert "invoice<U+202E>fdp.exe" in shown and "\u202e" not in shown
    assert NAME in kept
