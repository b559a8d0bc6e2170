"""`emerge keys`: what it writes, and what it refuses, by the remedy. No node is needed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from emerge_wasm.cli.main import main


def keys(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["--json", "keys", *words, "--dir", str(folder)])


def rows(folder: Path) -> list[tuple[str, str, str]]:
    return [(row["role"], row["name"], row["key"]) for row in json.loads(keys(folder, "list").output)]


def test_two_machines_exchange_keys(tmp_path: Path) -> None:
    """What `new` prints is what the other machine types; `rotate` the same; revoking is for good."""
    here, there = tmp_path / "here", tmp_path / "there"
    made = json.loads(keys(here, "new", "desk", "--member").output)
    assert Path(made["file"]).stat().st_mode & 0o077 == (here / "ring").stat().st_mode & 0o077 == 0
    assert keys(there, "add", "desk", made["key"], "--member").exit_code == 0
    assert rows(here) == rows(there) == [("member", "desk", made["key"])]
    fresh = json.loads(keys(here, "rotate", "desk").output)
    assert fresh["before"] == made["key"] and fresh["role"] == "member"
    assert keys(there, "add", "desk", fresh["key"], "--member", "--another").exit_code == 0
    for folder in (here, there):
        assert keys(folder, "revoke", made["key"]).exit_code == 0
        assert rows(folder) == [("member", "desk", fresh["key"]), ("revoked", "desk", made["key"])]
    again = keys(there, "add", "desk", made["key"], "--member", "--another")
    assert again.exit_code == 2 and "was revoked" in again.stderr


def test_a_key_of_blocks_is_put_before_the_others(tmp_path: Path) -> None:
    file = tmp_path / "block.key"
    made = [json.loads(CliRunner().invoke(main, ["--json", "keys", "blocks", str(file)]).output) for _ in range(2)]
    assert made[0]["key"] != made[1]["key"] and made[1]["file"] == str(file)
    lines = file.read_text().splitlines()
    assert len(lines) == 2 and all(len(line) == 64 for line in lines)
    assert file.stat().st_mode & 0o077 == 0
    done = CliRunner().invoke(main, ["keys", "blocks", str(tmp_path / "no" / "folder")])
    assert done.exit_code == 2 and "cannot be written" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("new", "anna"), 2, "emerge keys rotate anna"),
        (("new", "a b"), 2, "cannot be the name"),
        (("new", "../x"), 2, "cannot be the name"),
        (("new", "x", "--member", "--group", "g"), 2, "leave --group"),
        (("new", "x", "--group", "a,b"), 2, "cannot be the name"),
        (("add", "bert", "short"), 2, "is no key"),
        (("add", "bert", "1" * 52), 2, "is no key"),
        (("add", "anna", "a" * 52), 2, "has a key already"),
        (("revoke", "nobody"), 4, "emerge keys list"),
        (("rotate", "nobody"), 4, "there is no key"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_changes(
    tmp_path: Path, words: tuple[str, ...], code: int, says: str
) -> None:
    keys(tmp_path, "new", "anna")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name != ".lock"}
    done = keys(tmp_path, *words)
    assert (done.exit_code, says in done.stderr) == (code, True), done.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name != ".lock"} == before
