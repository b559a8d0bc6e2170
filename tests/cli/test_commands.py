"""The commands of versions, permissions, composition, archives and transactions, as a user types them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from emerge_wasm import EmergeFile, connect
from tests.conftest import Server

Emerge = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(emerge: Emerge) -> Callable[..., str]:
    """Run a command that must succeed; what it printed."""

    def call(*words: str) -> str:
        done = emerge(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


@pytest.fixture
def bolt(place: Server) -> str:
    """A new object with two versions, price 1 and 2."""
    with connect(place.host) as fs:
        if any(pointer.name == "shop" for pointer in fs.list("/")):
            fs.rm("/shop", recursive=True)
        fs.store(EmergeFile(name="bolt", path="/shop", data={"price": 1}))
        fs.update("/shop/bolt", price=2, colour="red")
    return "/shop/bolt"


@dataclass
class Peeper(EmergeFile):
    """A stranger's object whose method looks at what its caller may see."""

    def peep(self, fs: Any) -> list[str]:
        return [pointer.name for pointer in fs.list("/shop")]


def test_a_strangers_method_has_all_rights_of_the_operator_only_if_they_say_so(
    run: Callable[..., str], emerge: Emerge, place: Server, bolt: str
) -> None:
    with connect(place.host) as fs:
        fs.mkdir("/strange")
        fs.chmod("/strange", "rwxrwxrwx")
        fs.as_user("mallory").store(Peeper(name="peeper", path="/strange"))
    try:
        refused = emerge("call", "/strange/peeper", "peep")
        assert refused.returncode != 0 and "mallory may not list /shop" in refused.stderr
        assert run("call", "--as-me", "/strange/peeper", "peep") == "['bolt']\n"
        run("call", "--as-me", "--receipt", "/strange/peeper", "peep")
        assert "acted_as" not in run("--json", "receipts", "/strange/peeper")
    finally:
        run("rm", "-r", "/strange")


def test_versions_are_compared_and_restored(run: Callable[..., str], bolt: str) -> None:
    assert sorted(run("diff", bolt, "1", "2").splitlines()) == ["+ colour  'red'", "+ price  2"]
    assert {row["field"] for row in json.loads(run("--json", "diff", bolt, "1"))["fields"]} == {"colour", "price"}
    assert run("restore", bolt, "--version", "1") == "/shop/bolt v3\n"
    assert run("cat", "--version", "2", f"{bolt}.price") == "2\n"
    run("rm", bolt)
    assert run("restore", bolt).startswith(bolt)
    assert run("retain", "/shop") == "all\n" and run("retain", "/shop", "2") == "2\n"


def test_reads_as_of_a_moment(run: Callable[..., str], emerge: Emerge, bolt: str) -> None:
    sleep(0.01)
    then = datetime.now(UTC).isoformat()
    sleep(0.01)
    run("update", bolt, "price=3")
    run("mv", bolt, "/shop/nut")
    assert run("ls", "--as-of", then, "/shop") == "bolt\n" and run("ls", "/shop") == "nut\n"
    assert run("cat", "--as-of", then, f"{bolt}.price") == "2\n"
    assert run("tree", "--as-of", then, "/shop") == "/shop/bolt\n" and run("tree", "/shop") == "/shop/nut\n"
    assert run("versions", "--as-of", then, bolt).startswith("v")
    failed = emerge("cat", "--as-of", "yesterday", bolt)
    assert failed.returncode == 2 and "ISO 8601" in failed.stderr


def test_updates_adds_and_refers(run: Callable[..., str], emerge: Emerge, bolt: str) -> None:
    assert run("update", bolt, "price=3.5", "word=some", "parts=[]") == "v3\n"
    run("add", bolt, "parts", "1", "two", "{'three': 3}")
    assert json.loads(run("cat", f"{bolt}.parts")) == [1, "two", {"three": 3}]
    run("cp", bolt, "/shop/nut")
    run("add", bolt, "parts", "/shop/nut", "'/shop/nut'", "@/shop/nut")
    copy, text, reference = json.loads(run("cat", f"{bolt}.parts"))[3:]
    assert (copy["price"], text, list(reference)) == (3.5, "/shop/nut", ["$ref"])
    failed = emerge("add", bolt, "parts", "/shop/none")
    assert failed.returncode == 4 and "\"'/shop/none'\"" in failed.stderr
    assert len(json.loads(run("cat", f"{bolt}.parts"))) == 6
    run("rm", "/shop/nut")
    run("update", bolt, "parts=[]")
    run("cp", bolt, "/shop/nut")
    run("update", "/shop/nut", f"of=@{bolt}")
    assert run("cat", "/shop/nut.of.price") == "3.5\n"
    assert run("references", "/shop/nut") == "/shop/bolt\n"
    assert run("references", "--back", bolt) == "/shop/nut\n"
    assert emerge("update", bolt, "price").returncode == 2


def test_permissions(run: Callable[..., str], emerge: Emerge, bolt: str) -> None:
    assert json.loads(run("--json", "whoami"))["superuser"] is True
    assert "principal  'ada'" in run("--as", "ada", "--group", "staff", "whoami")
    run("chmod", "-r", "755", "/shop")
    run("chmod", "g-rx,o-rx", bolt)
    failed = emerge("--as", "ada", "cat", bolt)
    assert failed.returncode == 6 and "ada" in failed.stderr and "chmod" in failed.stderr
    assert run("--as", "ada", "ls", "/shop") == ""
    run("chown", "ada:staff", bolt)
    assert run("--as", "ada", "cat", f"{bolt}.price") == "2\n"
    run("--umask", "077", "mkdir", "/shop/closed")
    rows = [line.split() for line in run("ls", "-l", "/shop").splitlines()]
    assert [row[1] for row in rows if row[-1] == "bolt"] == ["ada:staff"]
    assert rows[1][0] == run("ls", "-ld", "/shop/closed").split()[0] == "drwx------"
    assert emerge("--umask", "nine", "whoami").returncode == 2
    assert run("--max-age", "2.5", "--as", "ada", "cat", f"{bolt}.price") == "2\n"
    for wrong in ("-1", "soon", "nan"):
        assert emerge("--max-age", wrong, "whoami").returncode == 2


def test_a_transaction_over_several_commands(run: Callable[..., str], bolt: str) -> None:
    name = run("begin").strip()
    run("--transaction", name, "update", bolt, "price=9")
    run("--transaction", name, "mkdir", "/shop/new")
    assert run("--transaction", name, "cat", f"{bolt}.price") == "9\n"
    assert run("cat", f"{bolt}.price") == "2\n" and run("ls", "/shop") == "bolt\n"
    assert run("commit", name) == "2 changes\n"
    assert run("cat", f"{bolt}.price") == "9\n"
    assert run("begin", "mine") == "mine\n"
    run("--transaction", "mine", "rm", bolt)
    assert run("rollback", "mine") == "rolled back\n" and run("cat", f"{bolt}.price") == "9\n"
    assert run("rollback", "mine") == "no transaction mine is open\n"
    run("begin", "one")
    run("--transaction", "one", "mkdir", "/shop/one")
    assert run("commit", "one") == "1 change\n"


@pytest.mark.parametrize("format", ["emerge", "json", "csv"])
def test_files_go_out_and_in(run: Callable[..., str], emerge: Emerge, bolt: str, tmp_path: Path, format: str) -> None:
    assert run("export", "/shop", f"shop.{format}").endswith(f" to shop.{format}\n")
    before = run("cat", bolt)
    run("rm", "-r", "/shop")
    run("import", f"shop.{format}", "/shop")
    assert run("cat", bolt) == before
    assert len(run("versions", bolt).splitlines()) >= (2 if format == "emerge" else 1)
    (tmp_path / "bad.emerge").write_bytes(b"nothing")
    failed = emerge("import", "bad.emerge")
    assert failed.returncode == 2 and "bad.emerge is not an archive" in failed.stderr


def test_the_registry_tells_what_was_removed(run: Callable[..., str], bolt: str) -> None:
    uuid = json.loads(run("--json", "ls", bolt))[0]["uuid"]
    assert f"{uuid}  {bolt}" in run("ls", "/registry").splitlines()
    run("rm", "-r", "/shop")
    assert f"{uuid}  {bolt}  (removed)" in run("ls", "/registry").splitlines()
    assert any(line.endswith(f"{uuid}  {bolt}  (removed)") for line in run("ls", "-l", "/registry").splitlines())
    rows = {row["uuid"]: row for row in json.loads(run("--json", "ls", "/registry"))}
    assert rows[uuid]["removed"] is True
    assert run("restore", bolt).startswith(bolt)


def test_changes_as_they_were_and_as_they_come(run: Callable[..., str], bolt: str) -> None:
    position = json.loads(run("--json", "changes", "--limit", "1"))["position"]
    assert position == 1
    position = json.loads(run("--json", "hello"))["position"]
    run("update", bolt, "price=7")
    (line,) = run("changes", str(position)).splitlines()
    assert line.split()[0] == str(position + 1) and line.endswith(f"update  {bolt}  v3")
    assert run("watch", bolt, "--since", str(position), "-n", "1") == line + "\n"


def test_the_cluster(run: Callable[..., str], place: Server, bolt: str) -> None:
    name = json.loads(run("--json", "hello"))["node"]
    assert run("nodes") == f"*  {name}  tcp://{place.host}\n"
    assert run("whohas", bolt, "/nowhere") == f"{name}  {bolt}\n"
    uuid = json.loads(run("--json", "ls", bolt))[0]["uuid"]
    assert run("whohas", uuid, "0" * 32, f"/registry/{uuid}") == f"{name}  {uuid}\n{name}  /registry/{uuid}\n"
    assert json.loads(run("--json", "nodes", "--watch", "-n", "1"))["event"] == "here"
    assert run("holdings").split()[::2] == [name, "/"]
    assert "durability" in run("hello")
