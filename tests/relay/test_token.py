"""Principals by token: how tokens are kept, who is let in by one, what the node is told of them, and how that ends."""

from __future__ import annotations

import asyncio
import getpass
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from emerge_wasm.errors import Invalid, NotFound, PermissionDenied, Unavailable
from emerge_wasm.relay.server import RelayServer
from emerge_wasm.relay.session import OPERATOR, RelayCaller
from emerge_wasm.relay.settings import RelaySettings
from emerge_wasm.relay.token import FILE_NAME, Tokens
from emerge_wasm.wire.event import MORE, Event, encode

from .conftest import TOKEN, Service, Wire, connected
from .test_socket import error_of, refused


@pytest.fixture
def tokens(settings: RelaySettings) -> Tokens:
    """As the command line has them: the relay has its own, over the same file."""
    return Tokens(settings.data)


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


async def who(wire: Wire, channel: bytes = b"w", **header: Any) -> Event:
    """What the node says of who asks, with that much more in the header."""
    await wire.connection.send(encode({"message_id": channel, "v": 3, **header}, "whoami", []))
    return await wire.next()


# --- links
def test_a_link_is_good_for_one_browser_and_a_time(tmp_path: Path) -> None:
    now = [1_000_000.0]
    tokens = Tokens(tmp_path, lambda: now[0])
    program = tokens.add("ann", ["staff"])
    first, text = tokens.link("ann"), tokens.link("ann", hours=2)
    assert tokens.linked(first) is None and tokens.linked(program) is None and tokens.shown(text) is None
    now[0] += 2 * 3600 - 1
    found = tokens.linked(text)
    assert found is not None and (found.principal, found.groups) == ("ann", ("staff",))
    now[0] += 1
    assert tokens.linked(text) is None and tokens.use_link(text) is None
    third = tokens.link("ann")
    assert text not in (tmp_path / FILE_NAME).read_text() and third not in (tmp_path / FILE_NAME).read_text()
    used = Tokens(tmp_path, lambda: now[0]).use_link(third)  # by another process
    assert used is not None and used.id == found.id
    assert tokens.use_link(third) is None and tokens.shown(program) is not None
    with pytest.raises(NotFound, match="bob has no token"):
        tokens.link("bob")
    with pytest.raises(Invalid, match="hours"):
        tokens.link("ann", hours=0)


def test_of_many_who_use_a_link_at_once_one_does(tmp_path: Path) -> None:
    Tokens(tmp_path).add("ann")
    text = Tokens(tmp_path).link("ann")
    with ThreadPoolExecutor(8) as pool:
        used = [*pool.map(lambda _: Tokens(tmp_path).use_link(text), range(16))]
    assert sum(each is not None for each in used) == 1


# --- how they are kept
@pytest.mark.parametrize("name", ["root", getpass.getuser()])
def test_nobody_gets_the_operators_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid, match="taken for its operator"):
        Tokens(tmp_path).add(name)


def test_only_a_hash_is_kept_for_the_owner_only(tmp_path: Path) -> None:
    text = Tokens(tmp_path / "data").add("ann", ["staff", "crew"])
    path = tmp_path / "data" / FILE_NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert text not in path.read_text() and len(text) >= 40
    found = Tokens(tmp_path / "data").shown(text)
    assert found is not None and (found.principal, found.groups) == ("ann", ("staff", "crew"))
    assert Tokens(tmp_path / "data").shown(text[:-1]) is None
    assert {each.name for each in path.parent.iterdir()} - {"tokens.lock"} == {FILE_NAME}  # nothing half-written


def test_changes_are_noticed(tmp_path: Path) -> None:
    here, there = Tokens(tmp_path), Tokens(tmp_path)
    assert here.all() == []
    text = there.add("ann")
    found = here.shown(text)
    assert found is not None and here.known(found.id) == found
    there.remove("ann")
    assert here.shown(text) is None and here.known(found.id) is None


def test_a_token_expires(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    text = tokens.add("ann", days=1)
    (found,) = tokens.all()
    assert found.expires - found.made == pytest.approx(86400)
    assert Tokens(tmp_path, lambda: found.made + 86399).shown(text) == found
    later = Tokens(tmp_path, lambda: found.made + 86401)
    assert later.shown(text) is None and later.all() == [found]


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 256])
def test_names_that_cannot_be(tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid):
        Tokens(tmp_path).add(name)
    with pytest.raises(Invalid):
        Tokens(tmp_path).add("ann", [name])


def test_one_token_each(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    tokens.add("ann")
    with pytest.raises(Invalid, match="token rm ann"):
        tokens.add("ann")
    with pytest.raises(NotFound):
        tokens.remove("bob")


def test_a_file_that_cannot_be_read_lets_nobody_in_and_is_not_overwritten(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    text = tokens.add("ann")
    (tmp_path / FILE_NAME).write_text('{"tokens": [{"id": 1}')
    assert tokens.shown(text) is None
    with pytest.raises(Unavailable, match=FILE_NAME):
        tokens.add("bob")
    assert (tmp_path / FILE_NAME).read_text().startswith('{"tokens": [{"id": 1}')


# --- who is let in, and what the node is told
async def test_a_program_is_its_tokens_principal(relay: RelayServer, tokens: Tokens) -> None:
    text = tokens.add("ann", ["staff"])
    async with connected(relay, **bearer(text)) as wire:
        assert (await who(wire)).args[0] == {
            "principal": "ann",
            "groups": ["staff"],
            "superuser": False,
            "umask": 0o27,
            "transaction": "",
        }
    assert "no session" in await refused(relay, **bearer(text + "x"))


async def test_the_operators_token_stays_the_superusers(relay: RelayServer) -> None:
    async with connected(relay, **bearer(TOKEN)) as wire:
        assert (await who(wire)).args[0]["superuser"] is True
        found = (await who(wire, context={"as": "carl", "groups": ["crew"]})).args[0]
        assert (found["principal"], found["groups"], found["superuser"]) == ("carl", ["crew"], False)


async def test_umask_and_transaction_pass_nothing_else_does(relay: RelayServer, tokens: Tokens) -> None:
    async with connected(relay, **bearer(tokens.add("ann", ["staff"]))) as wire:
        found = (await who(wire, context={"umask": 0o77, "transaction": "t", "groups": ["root"]})).args[0]
        assert (found["umask"], found["transaction"], found["groups"]) == (0o77, "t", ["staff"])
        assert (await who(wire, context={"as": "ann"})).args[0]["principal"] == "ann"


@pytest.mark.parametrize("name", ["operator", "bob", ""])
async def test_nobody_is_somebody_else_by_saying_so(relay: RelayServer, tokens: Tokens, name: str) -> None:
    async with connected(relay, **bearer(tokens.add("ann"))) as wire:
        code, said = error_of(await who(wire, context={"as": name}))
        assert code == "PermissionDenied" and "ann may not act as" in said
        assert (await who(wire)).args[0]["principal"] == "ann"  # the connection lives on


@pytest.mark.parametrize(
    "context", [5, "root", [], ["as", "root"], {"superuser": True}, {"umask": -1}, {b"as": "root"}]
)
async def test_a_malformed_context_is_invalid(relay: RelayServer, tokens: Tokens, context: Any) -> None:
    async with connected(relay, **bearer(tokens.add("ann"))) as wire:
        assert error_of(await who(wire, context=context))[0] == "Invalid"


async def test_whatever_else_a_header_says_does_not_pass(relay: RelayServer, tokens: Tokens) -> None:
    import msgpack

    twice = (
        b"\x93\x85"
        + b"".join(map(msgpack.packb, ("message_id", b"1", "v", 3, "context", {"as": "root"}, b"context", {})))
        + b"".join(map(msgpack.packb, ("context", {"umask": 0}, "whoami", [])))
    )
    async with connected(relay, **bearer(tokens.add("ann"))) as wire:
        await wire.connection.send(twice)
        found = (await wire.next()).args[0]
        assert (found["principal"], found["superuser"], found["umask"]) == ("ann", False, 0)


async def test_arguments_pass_unopened(relay: RelayServer, tokens: Tokens) -> None:
    args = {"a": (1, {2, 3}), "b": b"x" * 100_000, "c": 10**30}
    async with connected(relay, **bearer(tokens.add("ann"))) as wire:
        await wire.ask(b"1", "echo", args)
        assert (await wire.next()).args == [args]
        await wire.connection.send(encode({"message_id": b"2", "v": 3}, "echo", [])[:-1] + b"\x92\x01")
        assert error_of(await wire.next())[0] == "Invalid"


async def test_a_link_opens_a_browser_as_its_principal(relay: RelayServer, tokens: Tokens) -> None:
    tokens.add("ann")
    for _ in range(2):
        text = tokens.link("ann")
        async with httpx.AsyncClient(base_url=relay.url, trust_env=False, verify=False) as http:
            opened = await http.get(f"/?token={text}")
            assert opened.status_code == 303 and text not in opened.headers["location"]
            assert (await http.get("/session")).status_code == 204
        async with httpx.AsyncClient(base_url=relay.url, trust_env=False, verify=False) as another:
            assert (await another.get(f"/?token={text}")).status_code == 403  # once
            cookie = "; ".join(f"{name}={value}" for name, value in http.cookies.items())
        async with connected(relay, Cookie=cookie, Origin=relay.url) as wire:
            assert (await who(wire)).args[0]["principal"] == "ann"
    assert "no session" in await refused(relay, Cookie=cookie)  # as ever: a cookie needs an origin
    tokens.remove("ann")
    tokens.add("ann")  # another token: the old one's sessions are over
    async with httpx.AsyncClient(base_url=relay.url, trust_env=False, verify=False, headers={"Cookie": cookie}) as http:
        assert (await http.get("/session")).status_code == 403
        assert (await http.get(f"/?token={text}")).status_code == 403
    assert "no session" in await refused(relay, Cookie=cookie, Origin=relay.url)


async def test_a_removed_token_ends_its_sessions_at_the_next_request(
    relay: RelayServer, tokens: Tokens, service: Service
) -> None:
    async with (
        connected(relay, **bearer(tokens.add("ann"))) as ann,
        connected(relay, **bearer(tokens.add("bob"))) as bob,
    ):
        await ann.ask(b"1", "hang")
        await asyncio.wait_for(service.begun.wait(), 2)
        tokens.remove("ann")
        with pytest.raises(ConnectionClosed) as caught:  # at once, or behind an answer that says why
            await ann.ask(b"2", "echo", "still here?")
            code, said = error_of(await ann.next())
            assert code == "PermissionDenied" and "was removed, or has expired" in said
            await ann.next()
        assert caught.value.rcvd is not None and caught.value.rcvd.code == 1008
        await asyncio.wait_for(service.ended.wait(), 2)  # and what was under way
        assert (await who(bob)).args[0]["principal"] == "bob"


async def test_a_session_that_only_listens_ends_at_the_next_beat(
    relay: RelayServer, tokens: Tokens, service: Service
) -> None:
    async with connected(relay, **bearer(tokens.add("ann"))) as wire:
        await wire.ask(b"1", "count", 10**9)
        await wire.next()
        await wire.follow(b"1", MORE, [10])
        tokens.remove("ann")
        (browser,) = relay.relay.browsers
        browser.beat()
        with pytest.raises(ConnectionClosed) as caught:
            while True:
                await wire.any()
        assert caught.value.rcvd is not None and caught.value.rcvd.code == 1008
        await asyncio.wait_for(service.ended.wait(), 2)


async def test_the_operator_has_no_token_that_could_be_removed(relay: RelayServer, tokens: Tokens) -> None:
    async with connected(relay) as wire:
        tokens.add("ann")
        tokens.remove("ann")
        assert (await who(wire)).args[0]["superuser"] is True


def test_what_other_routes_are_told_of_a_caller(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    caller = RelayCaller(tokens.shown(tokens.add("ann", ["staff"])))
    assert (caller.context.principal, caller.context.groups, caller.context.superuser) == ("ann", ("staff",), False)
    assert OPERATOR.context.superuser
    assert OPERATOR.stamp({"as": "bob"}) == {"as": "bob"} and OPERATOR.stamp(None) is None
    with pytest.raises(PermissionDenied):
        caller.stamp({"as": "bob"})
    assert json.dumps(caller.stamp({"umask": 7})) == '{"umask": 7, "as": "ann", "groups": ["staff"]}'
