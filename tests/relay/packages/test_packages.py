"""The index of a relay: an operator's folders, and real indexes whose answers and files are as wrong as they can be."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emerge_wasm.errors import Invalid
from emerge_wasm.relay.packages.settings import PackageLimits, PackageSettings
from emerge_wasm.relay.packages.wheel import BrowserPython, imports_of, is_name, parse_wheel
from emerge_wasm.relay.server import RelayServer
from emerge_wasm.rest.server import HttpServer
from tests.relay.conftest import TOKEN, Start
from tests.wheels import NATIVE, PURE, Upstream, make_wheel, sha256

MACHINE = "cp314-cp314-manylinux_2_28_x86_64"


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Upstream], Awaitable[str]]]:
    """Serve an index; its origin."""
    async with AsyncExitStack() as stack:

        async def begin(upstream: Upstream) -> str:
            server = HttpServer(upstream.app(), "127.0.0.1", 0)
            url = await server.start()

            stack.push_async_callback(server.stop, lambda: None)
            return url

        yield begin


Serve = Callable[[Upstream], Awaitable[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What an index has."""
    path = tmp_path / "upstream"
    path.mkdir()
    return path


def signed_in(relay: RelayServer) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {TOKEN}"}
    return httpx.AsyncClient(base_url=relay.url, trust_env=False, verify=False, headers=headers)


async def listed(http: httpx.AsyncClient, name: str) -> list[dict[str, Any]]:
    answer = await http.get(f"/packages/simple/{name}/")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/vnd.pypi.simple.v1+json"
    return answer.json()["files"]  # type: ignore[no-any-return]  # of PEP 691


async def test_wheels_of_a_folder(start: Start, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    numpy = make_wheel(wheels, "numpy", "2.4.3", NATIVE, {"numpy/__init__.py": "", "numpy/core.so": ""})
    make_wheel(wheels, "numpy", "2.5", MACHINE)
    make_wheel(wheels, "Two.Words", "1!2.0", modules={"two/a.py": "", "words.py": ""}, requires=["numpy>=2"])
    make_wheel(wheels, "Lin_ux", "1.0", MACHINE)
    (wheels / "broken-1.0-py3-none-any.whl").write_bytes(b"PK")
    (wheels / "source-1.0.tar.gz").write_bytes(b"x")
    relay = await start(packages=PackageSettings((wheels,)))
    async with signed_in(relay) as http:
        (file,) = await listed(http, "numpy")
        data, said = await http.get(file["url"]), await http.get(f"{file['url']}.metadata")
        assert file["url"].startswith(f"{relay.url}/packages/file/{file['hashes']['sha256']}/numpy-2.4.3-cp314")
        assert data.content == numpy.read_bytes() and sha256(data.content) == file["hashes"]["sha256"]
        assert sha256(said.content) == file["core-metadata"]["sha256"] and b"Name: numpy" in said.content
        assert (
            "immutable" in data.headers["cache-control"]
            and "no-cache" in (await http.get("/packages/catalogue")).headers["cache-control"]
        )
        catalogue = (await http.get("/packages/catalogue")).json()
        assert catalogue["imports"] == {"numpy": ["numpy"], "two": ["two-words"], "words": ["two-words"]}
        left = catalogue["left_out"]  # but not numpy's, of which another one is there
        assert left.keys() == {"broken", "lin-ux"} and "is broken" in left["broken"]
        assert left["lin-ux"] == f"Lin_ux-1.0-{MACHINE}.whl, which is for another Python or machine"
        for name, why in (*left.items(), ("source", "no folder has it"), ("absent", "no folder has it")):
            answer = await http.get(f"/packages/simple/{name}/")
            assert answer.status_code == 404 and why in answer.json()["message"]
            assert "--wheels" in answer.json()["remedy"] and "--packages" in answer.json()["remedy"]
        # the folder is looked at again
        numpy.unlink()
        make_wheel(wheels, "numpy", "3.0")
        (file,) = await listed(http, "Num.Py".replace(".", ""))
        assert file["filename"] == "numpy-3.0-py3-none-any.whl"
        assert (await http.get(data.url)).status_code == 404


async def test_wheels_that_the_page_brings(start: Start, dist: Path, tmp_path: Path) -> None:
    brought = make_wheel(tmp_path, "micropip", "0.11.1")
    (dist / "pyodide-0a1b" / f"{brought.name}.gz").write_bytes(gzip.compress(brought.read_bytes()))  # as when installed
    relay = await start()
    async with signed_in(relay) as http:
        # they are in the page's own lock, which the index must not come before: it knows what they need there
        assert (await http.get("/packages/simple/micropip/")).status_code == 404
        assert (await http.get("/packages/catalogue")).json()["imports"] == {"micropip": ["micropip"]}


async def test_only_who_is_signed_in_may_ask(start: Start, serve: Serve, folder: Path) -> None:
    make_wheel(folder, "one")
    upstream = Upstream(folder)
    relay = await start(packages=PackageSettings(sources=(f"{await serve(upstream)}/simple",)))
    async with httpx.AsyncClient(base_url=relay.url, trust_env=False) as http:
        for path in ("catalogue", "simple/one/", f"file/{'0' * 64}/one-1.0-py3-none-any.whl"):
            foreign = {"origin": "https://elsewhere.example", "authorization": f"Bearer {TOKEN}"}
            assert [
                (await http.get(f"/packages/{path}")).status_code,
                (await http.get(f"/packages/{path}", headers=foreign)).status_code,
                (await http.get(f"/packages/{path}", headers={"origin": "null"})).status_code,
            ] == [401, 403, 403]
    assert not upstream.asked


@pytest.mark.parametrize("html", [False, True])
async def test_what_an_index_has_for_browsers(start: Start, serve: Serve, folder: Path, html: bool) -> None:
    for version, tag in (
        ("1.0", PURE),
        ("1.1", NATIVE),
        ("1.2", MACHINE),
        ("1.3", "py2-none-any"),
        ("1.4", "cp313-cp313-pyemscripten_2025_0_wasm32"),
    ):
        make_wheel(folder, "some-thing", version, tag)
    (folder / "some_thing-1.5.tar.gz").write_bytes(b"sdist")
    (folder / "sources-1.0.tar.gz").write_bytes(b"sdist")
    make_wheel(folder, "machines", "1.0", MACHINE)
    upstream = Upstream(folder, html=html, yanked={"some_thing-1.1-" + NATIVE + ".whl": "it broke"})
    relay = await start(packages=PackageSettings(sources=(f"{await serve(upstream)}/simple/",)))
    async with signed_in(relay) as http:
        files = {file["filename"]: file for file in await listed(http, "Some_Thing")}
        assert [name.split("-")[1] for name in files] == ["1.0", "1.1"]
        assert [file["yanked"] for file in files.values()] == [False, "it broke"]
        for name, file in files.items():
            answers = await asyncio.gather(*(http.get(file["url"]) for _ in range(4)))
            assert {answer.content for answer in answers} == {(folder / name).read_bytes()}
            assert upstream.asked[f"/files/{name}"] == 1  # once, however many ask
        told = {
            name: (await http.get(f"/packages/simple/{name}/")).json()["message"]
            for name in ("sources", "machines", "absent")
        }
        assert (
            "sources only" in told["sources"]
            and "for machines" in told["machines"]
            and "none of that name" in told["absent"]
        )
    assert not upstream.cookies  # of whoever asks here


async def test_files_that_are_not_what_the_index_says(start: Start, serve: Serve, folder: Path, tmp_path: Path) -> None:
    for name in ("wrong", "huge", "moved", "near", "gone", "plain"):
        make_wheel(folder, name)
    elsewhere = Upstream(folder)
    away = await serve(elsewhere)
    upstream = Upstream(
        folder, hashes={"wrong-1.0-py3-none-any.whl": "0" * 64}, larger={"huge-1.0-py3-none-any.whl": 1 << 20}
    )
    origin = await serve(upstream)
    upstream.moved = {
        "moved-1.0-py3-none-any.whl": f"{away}/files/moved-1.0-py3-none-any.whl",
        "near-1.0-py3-none-any.whl": "/files/plain-1.0-py3-none-any.whl",
        "page": f"{away}/simple/plain/",
        "round": "/simple/round/",
        "local": "file:///etc/passwd",
    }
    limits = PackageLimits(file=1 << 19, pause=0)
    relay = await start(packages=PackageSettings(sources=(f"{origin}/simple",), limits=limits))
    async with signed_in(relay) as http:
        urls = {
            name: (await listed(http, name))[0]["url"] for name in ("wrong", "huge", "moved", "near", "gone", "plain")
        }
        (folder / "gone-1.0-py3-none-any.whl").unlink()
        upstream.moved["gone-1.0-py3-none-any.whl"] = "/nowhere"
        answers = {name: await http.get(url) for name, url in urls.items()}
        status = {name: answer.status_code for name, answer in answers.items()}
        # what lies near is allowed, but is the file of another name
        assert status == {"wrong": 503, "huge": 413, "moved": 403, "near": 503, "gone": 404, "plain": 200}
        assert "is not the file that its index names" in answers["wrong"].json()["message"]
        pages = {name: (await http.get(f"/packages/simple/{name}/")).status_code for name in ("page", "round", "local")}
        assert pages == {"page": 403, "round": 503, "local": 403}
        for bad in (
            f"file/{'g' * 64}/plain-1.0-py3-none-any.whl",
            f"file/{'0' * 64}/plain-1.0-py3-none-any.whl",
            f"file/{'0' * 64}/..%2f..%2frelay.secret",
        ):
            assert (await http.get(f"/packages/{bad}")).status_code == 404
    assert not elsewhere.asked
    kept = [path.name for path in (tmp_path / "data" / "packages" / "files").iterdir()]
    assert kept == [sha256((folder / "plain-1.0-py3-none-any.whl").read_bytes())]


async def test_an_index_that_is_away(start: Start, serve: Serve, folder: Path) -> None:
    make_wheel(folder, "used")
    make_wheel(folder, "other")
    upstream = Upstream(folder)
    limits = PackageLimits(fresh=0, pause=0)
    settings = PackageSettings(sources=(f"{await serve(upstream)}/simple",), limits=limits)
    relay = await start(packages=settings)
    async with signed_in(relay) as http:
        (file,) = await listed(http, "used")
        bytes_ = (await http.get(file["url"])).content
        (later,) = await listed(http, "other")
    upstream.down = True
    relay = await start(packages=settings)  # what was fetched is kept on the disk
    async with signed_in(relay) as http:
        assert await listed(http, "used") == [
            {**file, "url": file["url"].replace(file["url"].split("/packages")[0], relay.url)}
        ]
        assert (
            await http.get(
                file["url"].partition("/packages")[2] and f"/packages{file['url'].partition('/packages')[2]}"
            )
        ).content == bytes_
        for path in ("/packages/simple/third/", f"/packages{later['url'].partition('/packages')[2]}"):
            answer = await http.get(path)
            assert answer.status_code == 503 and "503" in answer.json()["message"]


async def test_nobody_slips_a_package_under_one_of_the_operators(
    start: Start, serve: Serve, folder: Path, tmp_path: Path
) -> None:
    wheels, second = tmp_path / "wheels", tmp_path / "second"
    wheels.mkdir()
    second.mkdir()
    make_wheel(wheels, "ours", "1.0")
    make_wheel(folder, "ours", "99.0")
    make_wheel(folder, "both", "1.0")
    make_wheel(second, "both", "99.0")
    make_wheel(second, "last", "1.0")
    sources = (f"{await serve(Upstream(folder))}/simple", f"{await serve(Upstream(second))}/simple")
    relay = await start(packages=PackageSettings((wheels,), sources))
    async with signed_in(relay) as http:
        found = {
            name: [file["filename"].split("-")[1] for file in await listed(http, name)]
            for name in ("ours", "both", "last")
        }
    assert found == {"ours": ["1.0"], "both": ["1.0"], "last": ["1.0"]}


async def test_the_distribution_of_a_pyodide(start: Start, serve: Serve, folder: Path) -> None:
    numpy = make_wheel(folder, "numpy", "2.4.3", NATIVE)
    library = folder / "libblas-1.0.zip"
    library.write_bytes(b"a shared library")
    upstream = Upstream(folder)
    upstream.lock = {
        "info": {"arch": "wasm32", "abi_version": "2026_0", "python": "3.14.2", "platform": "emscripten_5_0_3"},
        "packages": {
            "numpy": _entry("numpy", numpy, ["numpy"], ["libblas"]),
            "libblas": {
                **_entry("libblas", library, [], []),
                "package_type": "shared_library",
                "install_dir": "dynlib",
            },
            "odd": {"name": "odd"},
        },
    }
    for entry in ("numpy", "libblas"):
        packages: Any = upstream.lock["packages"]
        packages[entry]["file_name"] = f"files/{packages[entry]['file_name']}"
    origin = await serve(upstream)
    relay = await start(packages=PackageSettings(sources=(f"{origin}/pyodide-lock.json",)))
    async with signed_in(relay) as http:
        catalogue = (await http.get("/packages/catalogue")).json()
        assert catalogue["imports"] == {"numpy": ["numpy"]} and catalogue["failed"] == []
        assert catalogue["locked"].keys() == {"numpy", "libblas"}
        for name, path in (("numpy", numpy), ("libblas", library)):
            assert (await http.get(catalogue["locked"][name]["file_name"])).content == path.read_bytes()
    upstream.lock["info"] = {"abi_version": "2025_0", "python": "3.13.2"}
    relay = await start(
        data=relay.settings.data / "fresh", packages=PackageSettings(sources=(f"{origin}/pyodide-lock.json",))
    )
    async with signed_in(relay) as http:
        catalogue = (await http.get("/packages/catalogue")).json()
    assert not catalogue["locked"] and "for Python 3.13.2 (2025_0); the page has 3.14" in catalogue["failed"][0]


async def test_a_folder_with_a_distribution(start: Start, folder: Path) -> None:
    numpy, other = make_wheel(folder, "numpy", "2.4.3", NATIVE), make_wheel(folder, "other")
    library = folder / "libblas-1.0.zip"
    library.write_bytes(b"a shared library")
    packages = {
        "numpy": _entry("numpy", numpy, ["numpy"], ["libblas"]),
        "libblas": _entry("libblas", library, [], []),
        "absent": {**_entry("absent", other, ["absent"], []), "file_name": "absent-1.0-py3-none-any.whl"},
    }
    info = {"arch": "wasm32", "abi_version": "2026_0", "python": "3.14.2", "platform": "emscripten_5_0_3"}
    (folder / "pyodide-lock.json").write_text(json.dumps({"info": info, "packages": packages}))
    relay = await start(packages=PackageSettings((folder,)))
    async with signed_in(relay) as http:
        catalogue = (await http.get("/packages/catalogue")).json()
        assert catalogue["imports"] == {"numpy": ["numpy"], "other": ["other"]}
        assert catalogue["locked"].keys() == {"numpy", "libblas"}  # with what its METADATA cannot say
        for name, path in (("numpy", numpy), ("libblas", library)):
            assert (await http.get(catalogue["locked"][name]["file_name"])).content == path.read_bytes()
        assert (await http.get("/packages/simple/numpy/")).status_code == 404 and await listed(http, "other")
        library.write_bytes(b"another one")
        assert (await http.get(catalogue["locked"]["libblas"]["file_name"])).status_code == 404


def _entry(name: str, path: Path, imports: list[str], depends: list[str]) -> dict[str, object]:
    return {
        "name": name,
        "version": "1.0",
        "file_name": path.name,
        "install_dir": "site",
        "sha256": sha256(path.read_bytes()),
        "package_type": "package",
        "imports": imports,
        "depends": depends,
    }


async def test_the_cache_is_bounded(start: Start, serve: Serve, folder: Path, tmp_path: Path) -> None:
    for number in range(6):
        make_wheel(folder, f"part{number}", modules={"a.py": "x" * 10_000})
    origin = await serve(Upstream(folder))
    relay = await start(packages=PackageSettings(sources=(f"{origin}/simple",), limits=PackageLimits(kept=25_000)))
    async with signed_in(relay) as http:
        for number in range(6):
            (file,) = await listed(http, f"part{number}")
            assert (await http.get(file["url"])).status_code == 200
    kept = list((tmp_path / "data" / "packages" / "files").iterdir())
    assert len(kept) == 2


@pytest.mark.parametrize("source", ["pipy", "ftp://example.org/simple", "/etc/passwd", "https://", ""])
async def test_a_source_that_is_none(start: Start, source: str) -> None:
    with pytest.raises(Invalid, match="pypi, the URL of an index"):
        await start(packages=PackageSettings(sources=(source,)))


@given(st.text("aZ09-._/ é\n%", max_size=12))
def test_any_text_is_a_name_or_is_not(text: str) -> None:
    assert is_name(text) <= (text == text.lower() and "/" not in text and ".." not in text and text.isascii())
    parse_wheel(text)
    parse_wheel(f"{text}-1.0-py3-none-any.whl")


def test_the_names_by_which_a_wheel_is_imported() -> None:
    files = [
        "a/__init__.py",
        "b.py",
        "c.cpython-314-wasm32-emscripten.so",
        "d/data.txt",
        "x-1.dist-info/RECORD",
        "x-1.data/scripts/y.py",
        "__pycache__/b.pyc",
    ]
    assert imports_of(files) == ("__pycache__", "a", "b", "c")
    assert len(BrowserPython().tags()) > 10
