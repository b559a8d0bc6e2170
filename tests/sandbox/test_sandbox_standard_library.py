"""The standard library in a sandbox: all of it imports, and what cannot work there says so when it is used."""

from __future__ import annotations

import email
import json
import linecache
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emerge_wasm.bundles.bundle import Bundle, Content, SourcePart
from emerge_wasm.errors import ExecutionFailed
from emerge_wasm.filesystem.runner import RunCall
from emerge_wasm.objects import EmergeFile
from emerge_wasm.sandbox import Pool

from .conftest import call_of
from .importer import Importer

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPENS_A_BROWSER = "antigravity"


async def run(pool: Pool, method: str, *args: Any, **options: Any) -> Any:
    return (await pool.run(call_of(Importer(name="one"), method, *args, timeout=30.0, **options))).result


def importable() -> list[str]:
    """The modules of the standard library that this Python can import, by trying."""
    code = (
        "import importlib, json, sys\n"
        "def there(name):\n"
        "    try: importlib.import_module(name)\n"
        "    except BaseException: return False\n"
        "    return True\n"
        "sys.stdout = sys.stderr\n"
        f"found = [name for name in sorted(sys.stdlib_module_names) if name != {OPENS_A_BROWSER!r} and there(name)]\n"
        "sys.__stdout__.write(json.dumps(found))\n"
    )
    done = subprocess.run([sys.executable, "-I", "-W", "ignore", "-c", code], capture_output=True, text=True)
    found: list[str] = json.loads(done.stdout)
    return found


async def test_every_module_that_the_node_can_import_imports_in_a_method_and_above_a_class(pool: Pool) -> None:
    names = importable()
    assert len(names) > 200 and {"tomllib", "sqlite3", "glob", "wave", "subprocess", "multiprocessing"} <= set(names)
    assert await run(pool, "fail_to_import", names) == {}

    public = [name for name in names if not name.startswith("_") and name != "this"]
    outcome = await pool.run(importing_call(public))
    assert outcome.result == public


def importing_call(names: list[str]) -> RunCall:
    """The call of a method of a class whose file begins with an import of each module."""
    lines = ["class Above(EmergeFile):", "    def names(self):"]
    lines += [f"        return [each.__name__ for each in [{', '.join(names)}]]"]
    parts = (SourcePart("class", "Above", "\n".join(lines), False),)
    imports = (*(f"import {name}" for name in names), "from emerge_wasm.objects import EmergeFile")
    bundle = Bundle.of(Content("Above", imports=imports, parts=parts))
    call = call_of(EmergeFile(name="one"), "names", timeout=30.0)
    pointer = {**call.pointer, "class_name": "Above", "bundle": bundle.hash}
    return replace(call, pointer=pointer, bundles={bundle.hash: bundle.data})


async def test_what_only_computes_works(pool: Pool) -> None:
    assert await run(pool, "compute") == {
        "zone": "2026-07-01T00:00:00+02:00",
        "zones": True,
        "sqlite3": [(3,)],
        "tomllib": {"a": 1},
        "selector": [],
        "encoding": "utf-8",
        "strptime": [2024, 2, 3],
        "codecs": ["c1", "4100", "41", "41"],
        "resource": ":m",
    }


USES = {
    "subprocess.run(['ls'])": "subprocess",
    "subprocess.check_output('ls', shell=True)": "subprocess",
    "os.system('ls')": "os.system",
    "os.popen('ls')": "os",
    "os.fork()": "os.fork",
    "os.kill(1, 0)": "os.kill",
    "multiprocessing.Process(target=print).start()": "multiprocessing",
    "multiprocessing.Pool(2)": "multiprocessing",
    "multiprocessing.Lock()": "multiprocessing",
    "concurrent.futures.ProcessPoolExecutor(1).submit(print)": "concurrent",
    "socket.socket()": "socket.socket",
    "socket.create_connection(('127.0.0.1', 9))": "socket",
    "socket.getaddrinfo('example.com', 80)": "socket.getaddrinfo",
    "urllib.request.urlopen('http://127.0.0.1/')": "urllib",
    "http.client.HTTPConnection('127.0.0.1').connect()": "http",
    "smtplib.SMTP('127.0.0.1')": "smtplib",
    "ctypes.CDLL('libnothing.so')": "ctypes.CDLL",
    "tempfile.NamedTemporaryFile()": "tempfile",
    "tempfile.mkdtemp()": "tempfile",
    "pathlib.Path('/etc/passwd').read_text()": "pathlib",
    "os.listdir('/')": "os.listdir",
    "os.stat('/etc/passwd')": "os.stat",
    "io.open('/etc/passwd')": "io.open",
    "sqlite3.connect('/tmp/x.db')": "sqlite3.connect",
    "shelve.open('x')": "shelve",
    "shutil.copy('/etc/passwd', '/tmp/x')": "shutil",
    "gzip.open('/etc/passwd')": "gzip",
    "bz2.open('/etc/passwd')": "bz2",
    "select.epoll()": "select.epoll",
    "os.umask(0)": "os.umask",
}


async def test_what_a_sandbox_has_not_says_so_when_it_is_used(pool: Pool) -> None:
    raised = await run(pool, "use", list(USES))
    said = {use: f"{who} is not in this sandbox: a method " for use, who in USES.items()}
    assert {use: text for use, text in raised.items() if said[use] not in text} == {}
    assert all("[Errno 1] Operation not permitted: " in text for text in raised.values())


async def test_questions_about_files_that_cannot_be_seen_are_answered_no(pool: Pool, tmp_path: Path) -> None:
    """By os.path and by pathlib alike, also of what is there; of what is kept: yes."""
    seen = await run(pool, "ask", ["/", "/etc/passwd", "/nowhere/at/all", "here", str(tmp_path)])
    assert [name for name, answer in seen.items() if answer] == []
    kept = await run(pool, "ask", [email.__file__.replace("__init__.py", "architecture.rst")])
    assert {name.partition(" ")[0] for name, answer in kept.items() if answer} == {"exists", "is_file"}


async def test_kept_files_are_no_way_to_others(pool: Pool, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    os.chmod(secret, 0o666)
    library = os.path.dirname(os.__file__)
    for path in (str(secret), f"{library}/../../../../../../../..{secret}", f"{library}/json/../../../..//{secret}"):
        for how in ("open", "bytes", "pathlib", "stat", "write"):
            assert "is not in this sandbox" in await run(pool, "read", path, how), (path, how)
    for path in ("/", "/etc", f"{library}/..", str(tmp_path)):
        assert "is not in this sandbox" in await run(pool, "read", path, "list")
        assert await run(pool, "read", path, "walk") == "[]"
    assert "'json'" in await run(pool, "read", library, "list")  # what is kept
    for kept in (f"{library}/email/architecture.rst", f"{library}/new"):
        assert "is not in this sandbox" in await run(pool, "read", kept, "write")


async def test_kept_files_are_each_worker_s_own(pool: Pool) -> None:
    """What one principal writes into the shared memory, no other sees."""
    path = f"{os.path.dirname(email.__file__)}/architecture.rst"
    text = linecache.getline(path, 1)[:8]
    assert await run(pool, "overwrite", path, "poisoned", principal="ann") == "poisoned"
    assert await run(pool, "kept", path, 8, principal="ann") == "poisoned"
    assert await run(pool, "kept", path, 8, principal="bob") == text


async def test_missing_modules_are_told_apart(pool: Pool) -> None:
    failed = await run(pool, "fail_to_import", ["winreg", "annotationlib", "pytest", "no_such_package", "json.nothing"])
    assert "Python" in failed["winreg"] and "install" not in failed["winreg"] and "--preload" not in failed["winreg"]
    if sys.version_info < (3, 14):
        assert "annotationlib is not in this sandbox: it came with Python 3.14" in failed["annotationlib"]
    assert failed["pytest"].endswith("pytest is not in this sandbox: emerge node start --preload pytest")
    assert "install no_such_package where the node runs, then emerge node start" in failed["no_such_package"]
    assert failed["json.nothing"] == "ModuleNotFoundError: No module named 'json.nothing'"
    assert await run(pool, "guarded") == "without it"


async def test_class_that_cannot_be_loaded_never_says_to_install_the_standard_library(pool: Pool) -> None:
    from emerge_wasm.bundles.absent_module import reason

    assert reason("tomllib", False, False).startswith("this Python") and "install" not in reason("tomllib")
    assert reason("no_such_package") == "install no_such_package"
    with pytest.raises(ExecutionFailed, match="no_such_module is not in this sandbox: install no_such_module where"):
        await run(pool, "use", ["no_such_module.work()"])


# --- packages with files
async def test_preloaded_package_reads_its_files_and_finds_its_modules(tmp_path: Path) -> None:
    """At import, later, by path and by importlib.resources, large and small; modules that nobody imported before."""
    make_package(tmp_path)
    sys.path.insert(0, str(tmp_path))
    try:
        async with Pool(1, preload=("datafull",)) as pool:
            assert await run(pool, "use", PACKAGE_USES) == {use: repr(value) for use, value in PACKAGE_VALUES.items()}
            assert "is not in this sandbox" in await run(pool, "read", str(tmp_path / "other.txt"), "open")
            assert await run(pool, "read", str(tmp_path / "datafull" / "data"), "list") == "['large.bin', 'small.txt']"
    finally:
        sys.path.remove(str(tmp_path))


PACKAGE_VALUES = {
    "datafull.at_import": "small\n",
    "datafull.later()": "small\n",
    "datafull.resource()": "small\n",
    "datafull.large()": (1 << 20, b"\x07" * 8),
    "datafull.version()": "1.5",
    "datafull.find()": ["large.bin", "small.txt"],
    "datafull.broken.lazy.VALUE": 42,
}
PACKAGE_USES = list(PACKAGE_VALUES)


def make_package(folder: Path) -> None:
    package = folder / "datafull"
    (package / "data").mkdir(parents=True)
    (package / "broken").mkdir()
    (folder / "other.txt").write_text("other")
    (package / "data" / "small.txt").write_text("small\n")
    (package / "data" / "large.bin").write_bytes(b"\x07" * (1 << 20))
    (package / "__init__.py").write_text(
        "import importlib.metadata, importlib.resources, os, pathlib\n"
        "FOLDER = os.path.join(os.path.dirname(__file__), 'data')\n"
        "at_import = open(os.path.join(FOLDER, 'small.txt')).read()\n"
        "later = lambda: (pathlib.Path(FOLDER) / 'small.txt').read_text()\n"
        "resource = lambda: importlib.resources.files('datafull').joinpath('data/small.txt').read_text()\n"
        "version = lambda: importlib.metadata.version('datafull-dist')\n"
        "find = lambda: [name for _, _, names in os.walk(FOLDER) for name in names]\n"
        "def large():\n"
        "    with open(os.path.join(FOLDER, 'large.bin'), 'rb') as file:\n"
        "        first = file.read(8)\n"
        "    return os.path.getsize(os.path.join(FOLDER, 'large.bin')), first\n"
    )
    # fails while it is preloaded, as a module does that is for another program
    (package / "broken" / "__init__.py").write_text("import os\nif os.environ: raise ImportError('not here')\n")
    (package / "broken" / "lazy.py").write_text("VALUE = 42\n")
    about = folder / "datafull_dist-1.5.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: datafull-dist\nVersion: 1.5\n")
    (about / "RECORD").write_text("datafull/__init__.py,,\n")


async def test_database_of_a_package_s_own_library_is_kept(tmp_path: Path) -> None:
    """As pyproj has it: the library opens the file anew in each worker and thread, below Python."""
    library = shared_sqlite()
    if library is None:
        pytest.skip("Python's sqlite3 has no shared library here to copy")
    package = tmp_path / "withdata"
    package.mkdir()
    (tmp_path / "withdata.libs").mkdir()
    copy = shutil.copy(library, tmp_path / "withdata.libs" / "libsqlite3-0.so")
    with closing(sqlite3.connect(package / "proj.db")) as database:
        database.execute("create table t (a)")
        database.execute("insert into t values (42)")
        database.commit()
    (package / "__init__.py").write_text(WITH_DATA.format(copy=str(copy), path=str(package / "proj.db")))
    sys.path.insert(0, str(tmp_path))
    try:
        async with Pool(1, preload=("withdata",)) as pool:
            uses = ["withdata.read()", "withdata.read_in_thread()", "sqlite3.connect('/tmp/x.db')"]
            here, in_thread, elsewhere = (await run(pool, "use", uses)).values()
        assert (here, in_thread if os.geteuid() == 0 else "42") == ("42", "42")
        assert "sqlite3.connect is not in this sandbox" in elsewhere
    finally:
        sys.path.remove(str(tmp_path))


WITH_DATA = """
import ctypes, threading
library = ctypes.CDLL({copy!r})
library.sqlite3_column_int.restype = ctypes.c_int
def read():
    database, statement = ctypes.c_void_p(), ctypes.c_void_p()
    if library.sqlite3_open_v2({path!r}.encode(), ctypes.byref(database), 1, None):
        raise OSError("not opened")
    if library.sqlite3_prepare_v2(database, b"select a from t", -1, ctypes.byref(statement), None):
        raise OSError("not read")
    library.sqlite3_step(statement)
    return library.sqlite3_column_int(statement, 0)
def read_in_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(read()))
    thread.start()
    thread.join()
    return found[0]
"""


def shared_sqlite() -> str | None:
    sqlite3.connect(":memory:").close()
    lines = Path("/proc/self/maps").read_text().splitlines()
    return next((line.split(maxsplit=5)[5] for line in lines if "/libsqlite3" in line), None)
