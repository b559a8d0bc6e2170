"""Who guesses tokens is answered the later, the more they guess; who shows a right one is not, wherever they are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import HTTPConnection

from emerge_wasm.operations import Context
from emerge_wasm.relay.server import RelayServer
from emerge_wasm.relay.settings import RelaySettings
from emerge_wasm.relay.token import Tokens
from emerge_wasm.rest import guess
from emerge_wasm.rest.guess import FREE, MINUTE, SlowGuesses, note_guess
from emerge_wasm.rest.node_server import RESTNodeServer
from tests.relay.conftest import TOKEN
from tests.rest.service import Service
from tests.scale import examples

ADDRESSES = st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8:1:2:3::4", "2001:db8:1:2:9::5", "2001:db8:1:3::4"])


def network(address: str) -> str:
    return ":".join(address.split(":")[:4])


@settings(max_examples=examples(40), deadline=None)
@given(st.lists(st.tuples(ADDRESSES, st.booleans(), st.sampled_from([0, 0, 0, 0, 7, 90])), max_size=80))
async def test_only_wrong_ones_of_an_address_that_had_many_wait(asked: list[tuple[str, bool, int]]) -> None:
    now = 0.0
    paused: list[float] = []

    async def pause(seconds: float) -> None:
        paused.append(seconds)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["wrong"]:
            note_guess(HTTPConnection(scope))
        await send({"type": "http.response.start", "status": 401 if scope["wrong"] else 200})
        await send({"type": "http.response.body"})

    slow = SlowGuesses(app, lambda: now, pause)
    seen: list[tuple[float, str]] = []
    minute = 0.0
    for address, wrong, later in asked:
        now += later
        answered: list[Any] = []

        async def send(message: Any, answered: list[Any] = answered) -> None:
            answered.append(message["type"])

        paused.clear()
        await slow({"type": "http", "client": (address, 1), "wrong": wrong}, None, send)  # type: ignore[arg-type]
        assert len(answered) == 2
        if not wrong:
            assert not paused
            continue
        minute = minute if now < minute else now + MINUTE
        seen.append((minute, network(address)))
        more = seen.count((minute, network(address))) - FREE
        assert paused == ([min(more, 10)] if more > 0 else [])


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []

    async def pause(seconds: float) -> None:
        found.append(seconds)

    assert SlowGuesses.__init__.__defaults__ is not None
    clock, _ = SlowGuesses.__init__.__defaults__
    monkeypatch.setattr(guess.SlowGuesses.__init__, "__defaults__", (clock, pause))  # patched: seconds
    return found


Ask = Callable[[str], Awaitable[int]]


async def guessed(ask: Ask, right: str, pauses: list[float]) -> None:
    for number in range(FREE):
        assert await ask(f"guess-{number}") in (401, 403)
    assert not pauses
    assert await ask("one-more") in (401, 403) and pauses == [1]
    assert await ask(right) == 200
    assert await ask("and-another") in (401, 403) and pauses == [1, 2]


async def test_guesses_at_a_node_are_slowed(pauses: list[float], service: Service) -> None:
    context = Context("tester", superuser=True, via="rest")
    async with (
        RESTNodeServer(service.dispatch, port=0, token=TOKEN, context=context) as server,
        httpx.AsyncClient() as client,
    ):

        async def ask(token: str) -> int:
            headers = {"authorization": f"Bearer {token}"}
            return (await client.get(f"{server.url}/api/v1/whoami", headers=headers)).status_code

        await guessed(ask, TOKEN, pauses)


async def test_guesses_of_tokens_and_of_links_at_a_relay_are_slowed(pauses: list[float], tmp_path: Any) -> None:
    Tokens(tmp_path).add("anna")
    async with RelayServer(RelaySettings(tmp_path, port=0, token=TOKEN)) as relay, httpx.AsyncClient() as client:

        async def ask(token: str) -> int:
            return (await client.get(f"{relay.url}/?token={token}", follow_redirects=False)).status_code

        for number in range(FREE):
            assert await ask(f"guess-{number}") == 403
        assert not pauses
        assert await ask("one-more") == 403 and pauses == [1]
        assert await ask(relay.invite().partition("token=")[2]) == 303
        bearer = {"authorization": "Bearer another"}
        assert (await client.get(f"{relay.url}/api/v1/whoami", headers=bearer)).status_code == 401
        assert pauses == [1, 2]
        nobody = await client.get(f"{relay.url}/api/v1/whoami")  # shows nothing, and so guesses nothing
        assert nobody.status_code in (401, 503) and pauses == [1, 2]


@pytest.fixture
async def service() -> Service:
    made = Service()
    made.answers["whoami"] = {}
    return made
