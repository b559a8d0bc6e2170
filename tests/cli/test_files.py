"""The commands on files in blocks, as a user types them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from emerge_wasm import connect
from emerge_wasm.blocks.block import BLOCK_SIZE
from emerge_wasm.cli.main import main
from emerge_wasm.clients.transfer import Transfer
from tests.conftest import Server

Emerge = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def empty(place: Server) -> None:
    with connect(place.host) as fs:
        if any(pointer.name == "files" for pointer in fs.list("/")):
            fs.rm("/files", recursive=True)


@pytest.mark.usefixtures("empty")
def test_a_file_goes_there_and_comes_back(emerge: Emerge, tmp_path: Path) -> None:
    data = bytes(range(256)) * 4096 + b"and a bit"
    (tmp_path / "big.iso").write_bytes(data)
    done = emerge("put", "big.iso", "/files/")
    assert (done.stdout, done.stderr) == ("/files/big.iso 1.0M\n", "")
    assert emerge("ls", "-l", "/files").stdout.split()[2] == "1.0M"
    assert emerge("get", "/files/big.iso", "back").stdout == "back 1.0M\n"
    assert (tmp_path / "back").read_bytes() == data
    rows = [line.split() for line in emerge("blocks", "/files/big.iso").stdout.splitlines()]
    assert [row[:3] for row in rows] == [["0", "1.0M", "here"], [str(BLOCK_SIZE), "9B", "here"]]
    assert emerge("verify", "/files/big.iso").stdout == "/files/big.iso 1.0M raid0 1+0: 2 blocks\n"
    emerge("put", "--raid", "6", "big.iso", "/files/big.iso")
    assert emerge("repair", "/files").stdout == "/files 2 blocks of 1 object: 0 repaired, 0 lost\n"
    assert emerge("verify", "/files/big.iso").stdout == "/files/big.iso 1.0M raid6 4+2: 2 blocks\n"
    assert emerge("get", "--version", "1", "/files/big.iso", ".").stdout == "big.iso 1.0M\n"
    found = json.loads(emerge("--json", "verify", "/files/big.iso").stdout)
    assert (found["readable"], found["size"], found["amiss"]) == (True, len(data), [])


@pytest.mark.usefixtures("empty")
def test_what_cannot_be_is_said(emerge: Emerge, tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"x")
    for words, code, said in (
        (("put", "nothing", "/files/a"), 2, "nothing cannot be read"),
        (("put", "small", "/files/a", "--raid", "2"), 2, "raid level 2"),
        (("put", "small", "/files/a", "--raid", "1"), 7, "nodes"),
        (("get", "/files/a", "b"), 4, "/files/a"),
        (("verify", "/files/a"), 4, "/files/a"),
    ):
        done = emerge(*words)
        assert done.returncode == code and said in done.stderr, (words, done)
    emerge("put", "small", "/files/a")
    done = emerge("get", "/files/a", "no/such/folder")
    assert done.returncode == 2 and "cannot be written" in done.stderr
    assert emerge("put", "small", "/files/a", "--version", "7").returncode == 5


@pytest.mark.usefixtures("empty")
def test_pipes(place: Server) -> None:
    runner, data = CliRunner(env={"EMERGE_HOST": place.host}), bytes(range(256)) * 20
    assert runner.invoke(main, ["put", "-", "/files/piped"], input=data).exit_code == 0
    assert runner.invoke(main, ["get", "/files/piped", "-"]).stdout_bytes == data


@pytest.mark.usefixtures("empty")
def test_a_folder_goes_there_and_comes_back(emerge: Emerge, tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "small").write_bytes(b"x" * 300)
    (tmp_path / "in" / "large").write_bytes(b"y" * 30_000)
    done = emerge("put", "in", "/files/in")
    assert done.returncode == 2 and "put -r" in done.stderr
    assert emerge("put", "-r", "in", "/files/").stdout == "/files/in 2 files 29.6K\n"
    assert emerge("get", "-r", "/files/in", ".", "--as-of", "2020-01-01").returncode != 0
    assert emerge("get", "-r", "/files/in", "out").stdout == "out 2 files 29.6K\n"
    assert (tmp_path / "out" / "deep" / "small").read_bytes() == b"x" * 300
    found = json.loads(emerge("--json", "get", "-r", "/files/in", "out").stdout)
    assert found == {"path": "/files/in", "files": 2, "bytes": 30_300, "skipped": []}


@pytest.mark.usefixtures("empty")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_get_that_was_ended_goes_on_where_it_was(place: Server, tmp_path: Path, number: signal.Signals) -> None:
    data, journal = bytes(range(256)) * (24 << 12), tmp_path / "back.part.journal"
    with connect(place.host) as fs, fs.open("/files/big", "wb", block_size=1 << 16) as file:
        for at in range(0, len(data), BLOCK_SIZE):  # of which no two are alike
            file.write(at.to_bytes(4, "big") + data[at + 4 : at + BLOCK_SIZE])
    command = [sys.executable, "-m", "emerge_wasm.cli", "get", "/files/big", "back"]
    setting = {**os.environ, "EMERGE_HOST": place.host, "EMERGE_KEY": ""}
    process = subprocess.Popen(command, cwd=tmp_path, env=setting, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and (not journal.exists() or journal.stat().st_size < 2000):
        time.sleep(0.001)
    process.send_signal(number)
    said = process.communicate(timeout=20)[1]
    assert process.returncode == (130 if number == signal.SIGINT else -number), said
    assert "same command goes on" in said or number != signal.SIGINT
    assert {path.name for path in tmp_path.iterdir()} == {"back.part", "back.part.journal"}
    rows = journal.read_text().count("\nhere")
    with connect(place.host) as fs:
        transfer = Transfer()
        fs.fetch("/files/big", tmp_path / "back", progress=transfer)
        assert transfer.resumed >= (rows - 1) << 16 and transfer.total == len(data)
        assert fs.open("/files/big").read() == (tmp_path / "back").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["back"]
