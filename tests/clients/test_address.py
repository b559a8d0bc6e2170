"""Which node a program means: EMERGE_HOST over ./emerge.ini over the user's emerge.ini over the default."""

from __future__ import annotations

from pathlib import Path

import pytest

from emerge_wasm import Invalid
from emerge_wasm.clients.transports.address import endpoint_of, find_endpoint, write_settings


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory and an empty place for the user's settings, which it returns."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("EMERGE_HOST", raising=False)
    return tmp_path / "config" / "emerge" / "emerge.ini"


def test_nearest_setting_wins(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_endpoint() == "tcp://127.0.0.1:5558"
    write_settings(home, "user.example:1")
    assert find_endpoint() == "tcp://user.example:1"
    write_settings(Path("emerge.ini"), "tcp://folder.example:2")
    assert find_endpoint() == "tcp://folder.example:2"
    monkeypatch.setenv("EMERGE_HOST", "environment.example:3")
    assert find_endpoint() == "tcp://environment.example:3"
    assert find_endpoint("given.example") == "tcp://given.example:5558"


@pytest.mark.parametrize(
    ("host", "endpoint"),
    [
        ("a", "tcp://a:5558"),
        ("a:1", "tcp://a:1"),
        ("tcp://a", "tcp://a:5558"),
        ("tcp://a:65535", "tcp://a:65535"),
        ("[::1]:7", "tcp://[::1]:7"),
        ("[::1]", "tcp://[::1]:5558"),
    ],
)
def test_addresses(host: str, endpoint: str) -> None:
    assert endpoint_of(host) == endpoint


def test_each_place_may_name_several(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_settings(home, "a,b:1")
    assert find_endpoint() == "tcp://a:5558,tcp://b:1"
    Path("emerge.ini").write_text("[emerge]\nhost = c, d:2, [::1], [::2]:3\nport = 7\n")
    assert find_endpoint() == "tcp://c:7,tcp://d:2,tcp://[::1]:7,tcp://[::2]:3"
    monkeypatch.setenv("EMERGE_HOST", "e,[::1]:3")
    assert find_endpoint() == "tcp://e:5558,tcp://[::1]:3"
    assert find_endpoint("f,tcp://g") == "tcp://f:5558,tcp://g:5558"
    for host in ("a,", "a,,b", "a,b:0", "a,http://b"):
        with pytest.raises(Invalid, match="is not the address of a node"):
            find_endpoint(host)


BAD = ["a:b", "a:", ":1", "a:0", "a:65536", "a:-1", "a:²", "http://a:1", "a b:1", "tcp://", "a/b:1", "::1", "a:1:2"]


@pytest.mark.parametrize("host", BAD)
def test_bad_addresses_are_named(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Invalid, match="write host:port") as refused:
        endpoint_of(host)
    assert repr(host) in str(refused.value)
    monkeypatch.setenv("EMERGE_HOST", host)
    with pytest.raises(Invalid, match="EMERGE_HOST"):
        find_endpoint()


@pytest.mark.parametrize(
    "text", ["[emerge]\nhost = a:b\n", "host = a\n", "[emerge]\nhost = %(x)s\n", "[emerge]\nhost =\n"]
)
def test_bad_files_are_named(text: str) -> None:
    Path("emerge.ini").write_text(text)
    with pytest.raises(Invalid, match=r"emerge\.ini"):
        find_endpoint()


def test_files_that_are_not_text_are_named() -> None:
    Path("emerge.ini").write_bytes(b"\xff\xfe\0")
    with pytest.raises(Invalid, match=r"emerge\.ini"):
        find_endpoint()


def test_a_file_without_a_host_says_nothing(home: Path) -> None:
    write_settings(home, "user.example")
    Path("emerge.ini").write_text("[other]\nx = 1\n")
    assert find_endpoint() == "tcp://user.example:5558"
