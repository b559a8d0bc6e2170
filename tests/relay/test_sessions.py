"""Where one is signed in: each browser is listed, and after its session was ended nothing that it asked is answered."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from emerge_wasm.errors import NotFound, Unavailable
from emerge_wasm.relay import session_record
from emerge_wasm.relay.browser import Browser
from emerge_wasm.relay.server import RelayServer
from emerge_wasm.relay.session_record import FILE_NAME, SEEN_SECONDS, SessionRecords, session_id
from emerge_wasm.relay.settings import RelaySettings
from emerge_wasm.relay.token import Tokens
from emerge_wasm.wire.event import MORE
from tests.command import run_here
from tests.scale import TURN, examples

from .conftest import Service, Wire, connected, until

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)


class Opened:
    """A browser that is signed in, as HTTP knows it."""

    def __init__(self, http: httpx.AsyncClient, relay: RelayServer) -> None:
        self.http = http
        ((name, value),) = http.cookies.items()
        self.cookie = f"{name}={value}"
        self.session = relay.relay.sessions.by_cookie(value)

    @property
    def id(self) -> str:
        assert self.session is not None
        return self.session.session

    async def rows(self) -> list[dict[str, Any]]:
        answer = await self.http.get("/sessions")
        assert answer.status_code == 200
        rows: list[dict[str, Any]] = answer.json()["sessions"]
        return rows

    async def end(self, *ids: str, origin: str) -> httpx.Response:
        return await self.http.post("/sessions/end", data={"id": list(ids)}, headers={"Origin": origin})


class Browsers:
    """Browsers of anybody, each signed in by a link of its own."""

    def __init__(self, relay: RelayServer, tokens: Tokens, stack: AsyncExitStack) -> None:
        self.relay, self.tokens, self.stack = relay, tokens, stack

    async def open(self, name: str, agent: str = FIREFOX) -> Opened:
        if name and all(each.principal != name for each in self.tokens.all()):
            self.tokens.add(name)
        text = self.tokens.link(name) if name else self.relay.relay.sessions.invite()
        made = httpx.AsyncClient(
            base_url=self.relay.url, trust_env=False, verify=False, headers={"User-Agent": agent}, timeout=20
        )
        http = await self.stack.enter_async_context(made)
        assert (await http.get(f"/?token={text}")).status_code == 303
        return Opened(http, self.relay)


@pytest.fixture
async def browsers(relay: RelayServer, settings: RelaySettings) -> AsyncIterator[Browsers]:
    async with AsyncExitStack() as stack:
        yield Browsers(relay, Tokens(settings.data), stack)


async def test_each_sees_where_they_are_signed_in_and_the_operator_all(relay: RelayServer, browsers: Browsers) -> None:
    first, second = await browsers.open("ann"), await browsers.open("ann", CHROME)
    bob, operator = await browsers.open("bob"), await browsers.open("")
    rows = await second.rows()
    assert [(row["id"], row["browser"], row["principal"], row["this"]) for row in rows] == [
        (second.id, "Chrome 140, Windows", "ann", True),
        (first.id, "Firefox 140, Linux", "ann", False),
    ]
    assert {row["since"] for row in rows} and all(row["seen"] >= row["since"] for row in rows)
    assert [row["id"] for row in await bob.rows()] == [bob.id]
    assert [row["principal"] for row in await operator.rows()] == ["", "bob", "ann", "ann"]
    async with httpx.AsyncClient(base_url=relay.url, trust_env=False, verify=False) as nobody:
        assert (await nobody.get("/sessions")).status_code == 403


async def test_one_ends_ones_own_and_nobody_elses(relay: RelayServer, browsers: Browsers) -> None:
    ann, other, bob = await browsers.open("ann"), await browsers.open("ann"), await browsers.open("bob")
    for origin in ("https://elsewhere.example", ""):
        assert (await bob.end(bob.id, origin=origin)).status_code == 403  # another site's page may not
    assert (await bob.end(ann.id, other.id, "", "x" * 900, origin=relay.url)).json() == {"ended": []}
    assert {row["id"] for row in await ann.rows()} == {ann.id, other.id}
    assert (await ann.end(other.id, origin=relay.url)).json() == {"ended": [other.id]}
    assert (await other.http.get("/session")).status_code == 403
    signed_out = await ann.end(ann.id, origin=relay.url)
    assert signed_out.json() == {"ended": [ann.id]} and ann.cookie.partition("=")[0] in signed_out.headers["set-cookie"]
    assert not ann.http.cookies and (await ann.http.get("/sessions")).status_code == 403
    assert (await bob.http.get("/session")).status_code == 204
    for each in (ann, other):
        assert relay.relay.sessions.by_cookie(each.cookie.partition("=")[2]) is None  # whoever kept the cookie


@pytest.mark.parametrize("way", ["page", "command"])
@pytest.mark.parametrize("seed", range(examples(2)))
async def test_after_its_end_nothing_of_a_session_is_answered(
    relay: RelayServer,
    settings: RelaySettings,
    browsers: Browsers,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    seed: int,
) -> None:
    """Calls and streams that are under way, by WebSockets and HTTP, and whatever is asked then; another's go on."""
    dice = Random(f"{TURN} {seed} {way}")
    ann, bob = await browsers.open("ann"), await browsers.open("bob")
    ended, passed_on, late = asyncio.Event(), asyncio.Event(), []
    deliver = Browser.deliver

    def noted(browser: Browser, payload: bytes) -> None:
        passed_on.set()
        if ended.is_set() and browser in anns:
            late.append(payload)
        deliver(browser, payload)

    monkeypatch.setattr(Browser, "deliver", noted)
    async with AsyncExitStack() as stack:
        wires = [
            await stack.enter_async_context(connected(relay, Cookie=ann.cookie, Origin=relay.url))
            for _ in range(dice.randrange(1, 4))
        ]
        anns = {*relay.relay.browsers}
        goes_on = await stack.enter_async_context(connected(relay, Cookie=bob.cookie, Origin=relay.url))
        for wire in wires:
            for channel in range(dice.randrange(4)):
                await wire.ask(b"c%d" % channel, "hang")
            await wire.ask(b"s", "count", 10**9)
            await wire.next()
            await wire.follow(b"s", MORE, [10**8])
        reading = [asyncio.ensure_future(read_to_the_end(wire)) for wire in wires]
        passed_on.clear()
        await asyncio.wait_for(passed_on.wait(), 10)
        if way == "page":
            assert (await ann.end(ann.id, origin=relay.url)).json() == {"ended": [ann.id]}
        else:
            words = ["session", "end", ann.id[:6], "--dir", str(settings.data)]
            done = await asyncio.to_thread(run_here, words, settings.data, {})
            assert done.stdout == "1 ended\n"
        ended.set()
        for path in ("/api/v1/list/", "/api/v1/watch/", "/api/v1/files/x", "/api/v1/whoami", "/sessions", "/session"):
            asked = await ann.http.get(path, headers={"Cookie": ann.cookie, "Sec-Fetch-Site": "same-origin"})
            assert asked.status_code in (401, 403)
        assert {*await asyncio.wait_for(asyncio.gather(*reading), 20)} == {1008}
        await until(lambda: len(relay.relay.browsers) == 1)
        assert not late
        await goes_on.ask(b"1", "echo", "here")
        assert (await goes_on.next()).args == ["here"]


async def read_to_the_end(wire: Wire) -> int:
    """Read a WebSocket until it is closed; the code of that."""
    try:
        while True:
            await wire.any()
    except ConnectionClosed as closed:
        assert closed.rcvd is not None
        return closed.rcvd.code


async def test_a_stream_over_http_ends_with_its_session(
    relay: RelayServer, browsers: Browsers, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "tree", lambda *args: service.count(10**9), raising=False)
    ann = await browsers.open("ann")
    headers = {"Sec-Fetch-Site": "same-origin", "Accept": "application/x-ndjson"}
    async with ann.http.stream("GET", "/api/v1/tree/", headers=headers) as answer:
        assert answer.status_code == 200
        lines = answer.aiter_lines()
        await anext(lines)
        assert (await ann.end(ann.id, origin=relay.url)).status_code == 200
        last = ""
        async for line in lines:  # until it ends
            last = line or last
    assert "$error" in last and "PermissionDenied" in last
    await asyncio.wait_for(service.ended.wait(), 10)


# --- how they are kept
def test_they_are_kept_for_the_owner_only_and_noticed_by_others(tmp_path: Path) -> None:
    now = [1_000_000.0]
    here, there = (SessionRecords(tmp_path / "data", 100.0, lambda: now[0]) for _ in range(2))
    text = here.begin("", "x" * 500)
    path = tmp_path / "data" / FILE_NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and text not in path.read_text()
    found = there.known(session_id(text))
    assert found is not None and len(found.browser) < 200
    stamp = here.stamp()
    assert there.end({found.id, "nobody"}) == [found.id] and here.stamp() != stamp
    assert here.known(found.id) is None and here.all() == []
    another = here.begin("token", "")
    now[0] += 100
    assert there.known(session_id(another)) is None and there.all() == []


def test_when_a_session_was_last_seen_is_written_now_and_then(tmp_path: Path) -> None:
    now = [1_000_000.0]
    records = SessionRecords(tmp_path, 10**6, lambda: now[0])
    ids = {session_id(records.begin("", "")) for _ in range(2)}
    records.begin("", "")
    for later, seen in ((SEEN_SECONDS - 1, 0.0), (1.0, SEEN_SECONDS), (5.0, SEEN_SECONDS)):
        now[0] += later
        records.see(ids | {"", "nobody"})
        found = SessionRecords(tmp_path, 10**6, lambda: now[0]).all()
        assert sorted(each.seen - each.made for each in found) == [0.0, seen, seen]


async def test_a_browser_that_stays_is_seen(
    relay: RelayServer, browsers: Browsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_record, "SEEN_SECONDS", 0.0)
    ann = await browsers.open("ann")
    records = relay.relay.sessions.records
    async with connected(relay, Cookie=ann.cookie, Origin=relay.url):
        ((begun, first),) = [(each.made, each.seen) for each in records.all()]
        assert first > begun
        await until(lambda: records.all()[0].seen > first)


def test_a_damaged_file_signs_nobody_in(tmp_path: Path) -> None:
    records = SessionRecords(tmp_path)
    id = session_id(records.begin("", ""))
    (tmp_path / FILE_NAME).write_text('{"sessions": [{"id": 1}]}')
    assert records.known(id) is None
    with pytest.raises(Unavailable, match=FILE_NAME):
        records.all()


def test_the_command_lists_and_ends_them(tmp_path: Path) -> None:
    tokens, records = Tokens(tmp_path), SessionRecords(tmp_path)
    tokens.add("ann")
    ids = [session_id(records.begin(whose, "Firefox")) for whose in (tokens.all()[0].id, "", "gone")]
    where = ["--dir", str(tmp_path)]
    rows = json.loads(run_here(["--json", "session", "list", *where], tmp_path, {}).stdout)
    assert [(row["id"], row["principal"]) for row in rows] == [(ids[1], ""), (ids[0], "ann")]
    assert "(operator)" in run_here(["session", "list", *where], tmp_path, {}).stdout
    for words in (["end"], ["end", ids[0], "--all"], ["end", "zzz"], ["end", ""]):
        assert run_here(["session", *words, *where], tmp_path, {}).returncode in (2, 4)
    with pytest.raises(NotFound):
        records.find("")
    assert run_here(["session", "end", "--all", *where], tmp_path, {}).stdout == "3 ended\n"
    assert records.all() == []
