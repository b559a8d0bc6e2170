"""The routes as one meets them with curl: arguments, results, errors, limits, who may come in."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import date
from decimal import Decimal
from typing import Any

import httpx
import pytest

from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.rest import RESTTransport
from emerge_wasm.codec import Reference, decode, encode
from emerge_wasm.errors import (
    CannotShip,
    Conflict,
    EmergeError,
    ExecutionFailed,
    Invalid,
    LimitExceeded,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from emerge_wasm.operations import TABLE, Context
from emerge_wasm.rest.app import RequestLimits
from emerge_wasm.rest.node_server import RESTNodeServer
from emerge_wasm.rest.openapi import describe

from .conftest import TOKEN, Start, talk
from .service import Service, soon

MSGPACK = {"Content-Type": "application/msgpack", "Accept": "application/msgpack"}
CHANGING = [row.name for row in TABLE.values() if row.changes]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


# --- arguments and results


async def test_json_in_and_out(http: httpx.AsyncClient, service: Service) -> None:
    service.answers["cat"] = {
        "price": Decimal("1.50"),
        "data": b"\0\xff",
        "day": date(2026, 1, 2),
        "of": Reference("u"),
    }
    answer = await http.post("/cat", json={"path": "/a/b", "version": 3})
    assert service.asked == ["cat", "/a/b", 3, ""]
    assert answer.json() == {"price": "1.50", "data": "AP8=", "day": "2026-01-02", "of": {"$ref": "u"}}
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert answer.headers["cache-control"] == "no-store" and answer.headers["x-content-type-options"] == "nosniff"


async def test_msgpack_is_lossless(http: httpx.AsyncClient, service: Service) -> None:
    value = {"price": Decimal("1.50"), "data": b"\0\xff", "pair": (1, 2), "big": 1 << 80}
    service.answers["run"] = value
    answer = await http.post("/run", content=encode({"path": "/a", "method": "m", "args": [value]}), headers=MSGPACK)
    assert service.asked == ["run", "/a", "m", [value], None, False]
    assert decode(answer.content) == value
    assert answer.headers["content-type"] == "application/msgpack"
    assert int(answer.headers["content-length"]) == len(answer.content)


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("/cat?path=/a/b", ["cat", "/a/b", 0, ""]),
        ("/cat/a/b", ["cat", "/a/b", 0, ""]),
        ("/cat/a%20b/%C3%A9?version=2", ["cat", "/a b/é", 2, ""]),
        ("/list/", ["list", "/", "", 1000, ""]),
        ("/references?path=/a&back=true", ["references", "/a", True, "", 1000]),
        ("/classes?hashes=a&hashes=b", ["classes", ["a", "b"]]),
        ("/whohas?paths=/a", ["whohas", ["/a"], None]),
        ("/hello", ["hello"]),
    ],
)
async def test_get_by_query_and_by_path(
    http: httpx.AsyncClient, service: Service, query: str, asked: list[Any]
) -> None:
    service.answers[asked[0]] = "said"
    answer = await http.get(query)
    assert (answer.status_code, answer.json(), service.asked) == (200, "said", asked)


STATE = encode({"a": 1})


@pytest.mark.parametrize(
    ("name", "given", "asked"),
    [
        ("update", {"path": "/a", "changes": {"a": 1}}, ["/a", STATE, 0]),
        ("update", {"path": "/a", "changes": b64(STATE)}, ["/a", STATE, 0]),
        ("update", {"path": "/a", "changes": {"$bytes": b64(STATE)}}, ["/a", STATE, 0]),
        ("add", {"path": "/a", "field": "f", "values": [1, 2]}, ["/a", "f", encode([1, 2]), None]),
        (
            "store",
            {"path": "/a", "state": {"a": 1}, "bundles": {"h": b64(b"x"), "i": ""}},
            ["/a", STATE, "", "", 0, "file", "", {"h": b"x", "i": b""}, "", ""],
        ),
        (
            "run",
            {"path": "/a", "method": "m", "args": [{"$bytes": "AP8="}, {"$ref": "u"}, {"$value": "Decimal('1.5')"}]},
            ["/a", "m", [b"\0\xff", Reference("u"), Decimal("1.5")], None, False],
        ),
        (
            "run",
            {"path": "/a", "method": "m", "kwargs": {"a": {"$ref": 1}}},
            ["/a", "m", None, {"a": {"$ref": 1}}, False],
        ),
        ("storeall", {"objects": [["/a", {"$bytes": b64(STATE)}]]}, [[["/a", STATE]], None]),
        ("retain", {"path": "/a", "keep": None}, ["/a", None]),
    ],
)
async def test_values_that_json_lacks(
    http: httpx.AsyncClient, service: Service, name: str, given: dict[str, Any], asked: list[Any]
) -> None:
    service.answers[name] = None
    assert (await http.post(f"/{name}", json=given)).json() is None
    assert service.asked == [name, *asked]


BAD_BODIES = [
    ("cat", b"{", "not JSON"),
    ("cat", b"[" * 100_000, "not JSON"),
    ("cat", b'["/a"]', "not an object"),
    ("cat", b'{"path": NaN}', "not JSON"),
    ("cat", rb'{"path": "/\ud800"}', "surrogate"),
    ("cat", b"{}", "lacks 'path'"),
    ("cat", b'{"path": "/a", "paht": 1}', "has no 'paht'"),
    ("cat", b'{"path": 7}', "path cannot be int"),
    ("update", b'{"path": "/a", "changes": "%"}', "changes is not base64"),
    ("store", b'{"path": "/a", "state": {}, "bundles": {"h": 1}}', "bundles: h is not base64"),
    ("run", b'{"path": "/a", "method": "m", "args": [{"$bytes": "%"}]}', "base64"),
    ("run", b'{"path": "/a", "method": "m", "args": [{"$value": "open(1)"}]}', "open"),
]


@pytest.mark.parametrize(("name", "body", "said"), BAD_BODIES)
async def test_bad_bodies_are_named(
    http: httpx.AsyncClient, service: Service, name: str, body: bytes, said: str
) -> None:
    answer = await http.post(f"/{name}", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "Invalid")
    assert said in answer.json()["message"]
    assert service.asked == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("/cat?path=/a&path=/b", "2 times"),
        ("/cat?path=/a&version=new", "version cannot be 'new'"),
        ("/references?path=/a&back=perhaps", "back cannot be 'perhaps'"),
        ("/cat?path=/a&verison=1", "has no 'verison'"),
        ("/cat/a?path=/b", "given twice"),
        ("/hello/a", "hello has no 'path'"),
        ("/cat", "lacks 'path'"),
    ],
)
async def test_bad_queries_are_named(http: httpx.AsyncClient, service: Service, url: str, said: str) -> None:
    answer = await http.get(url)
    assert answer.status_code == 400 and said in answer.json()["message"]
    assert service.asked == []


DEAR_BODIES = [
    (b'{"path": "/a", "method": "m", "args": [' + b"[]," * 5_000_000 + b"[]]}", "values"),
    (b'{"path": "/a", "method": "m", "args": [' + b"1," * 300_000 + b"1]}", "values"),
    (b'{"path": "/a", "method": "m", "args": [' + b'{"$value": "[]"},' * 2_000 + b"1]}", "literals"),
    (b'{"path": "/a", "method": "m", "args": [{"$value": "[' + b"[]," * 30_000 + b']"}]}', "literals"),
]


@pytest.mark.parametrize(("body", "limit"), DEAR_BODIES, ids=["lists", "numbers", "literals", "a literal"])
async def test_a_body_that_would_become_much_is_refused(
    http: httpx.AsyncClient, service: Service, body: bytes, limit: str
) -> None:
    answer = await http.post("/run", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "LimitExceeded")
    assert answer.json()["details"]["limit"] == limit and answer.json()["remedy"]
    assert service.asked == []


async def test_commas_and_brackets_within_a_text_are_no_values(http: httpx.AsyncClient, service: Service) -> None:
    service.answers["run"] = None
    text = '[{",' * 100_000
    assert (await http.post("/run", json={"path": "/a", "method": "m", "args": [text]})).status_code == 200
    assert service.asked[3] == [text]


async def test_bad_msgpack_is_refused(http: httpx.AsyncClient, service: Service) -> None:
    for body in (b"\xc1", b"", b"\x91\x01", b"\x81\x01\x01", encode({"path": 1})):
        answer = await http.post("/cat", content=body, headers=MSGPACK)
        assert (answer.status_code, decode(answer.content)["code"]) == (400, "Invalid")
        assert service.asked == []


async def test_the_body_has_a_type(http: httpx.AsyncClient) -> None:
    answer = await http.post("/cat", content=b'{"path": "/a"}')
    assert answer.status_code == 415 and "application/json" in answer.json()["remedy"]
    assert (await http.post("/cat", data={"path": "/a"})).status_code == 415


# --- methods


async def test_what_changes_is_not_got(http: httpx.AsyncClient, service: Service) -> None:
    for name in CHANGING:
        for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS"):
            answer = await http.request(method, f"/{name}/a")
            assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
            assert "access-control-allow-origin" not in answer.headers
        assert service.asked == []


async def test_unknown_operations_are_named(http: httpx.AsyncClient) -> None:
    for name in ("nonsense", "_cluster_forward", "_zerorpc_list"):
        answer = await http.post(f"/{name}", json={})
        assert (answer.status_code, answer.json()["code"]) == (404, "Invalid")
        assert name in answer.json()["message"]


# --- errors

FAILURES: list[tuple[EmergeError, int]] = [
    (NotFound("nothing", path="/a", remedy="look"), 404),
    (Conflict("changed", theirs=b"\0", pointer={"version": 2}), 409),
    (PermissionDenied("no"), 403),
    (Invalid("wrong"), 400),
    (CannotShip("an open file"), 422),
    (ExecutionFailed("raised", traceback="line 1"), 422),
    (Unavailable("away"), 503),
    (LimitExceeded("large", limit="size"), 413),
    (LimitExceeded("many", limit="waiting calls"), 429),
]


@pytest.mark.parametrize(("error", "status"), FAILURES, ids=lambda value: getattr(value, "code", None))
async def test_errors_keep_all_they_have(
    http: httpx.AsyncClient, service: Service, error: EmergeError, status: int
) -> None:
    service.answers["cat"] = error
    answer = await http.get("/cat/a")
    assert answer.status_code == status
    assert {name: answer.json()[name] for name in ("code", "message", "path", "remedy")} == {
        "code": error.code,
        "message": error.message,
        "path": error.path,
        "remedy": error.remedy,
    }
    assert set(answer.json()["details"]) == set(error.details)
    assert ("retry-after" in answer.headers) == (status in (429, 503))
    packed = await http.post("/cat", content=encode({"path": "/a"}), headers=MSGPACK)
    assert decode(packed.content) == error.to_wire()


async def test_an_unforeseen_error_is_one_too(
    http: httpx.AsyncClient, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    service.answers["cat"] = KeyError("inner")
    answer = await http.get("/cat/a")
    assert answer.status_code == 500 and answer.json()["message"] == "KeyError: 'inner'"
    assert "a request failed" in caplog.text
    service.answers["cat"] = int("9" * 4000) * 10**4000
    assert (await http.get("/cat/a")).status_code == 400  # JSON has no way to say it


async def test_details_that_cannot_be_written_are_left_out(http: httpx.AsyncClient, service: Service) -> None:
    service.answers["cat"] = NotFound("nothing", handle=object())
    packed = await http.post("/cat", content=encode({"path": "/a"}), headers=MSGPACK)
    assert (packed.status_code, decode(packed.content)["details"]) == (404, {})
    service.answers["cat"] = NotFound("half \ud800")
    packed = await http.post("/cat", content=encode({"path": "/a"}), headers=MSGPACK)
    assert (await http.get("/cat/a")).json()["message"] == decode(packed.content)["message"] == "half ?"


# --- context


async def test_the_context_narrows(http: httpx.AsyncClient, service: Service) -> None:
    service.answers["hello"] = 1
    wanted = {"as": "anna", "groups": ["staff"], "umask": 0o77, "transaction": "t"}
    await http.get("/hello", headers={"Emerge-Context": json.dumps(wanted)})
    assert service.context == Context("anna", ("staff",), False, 0o77, "t", "rest")


async def test_a_bad_context_is_refused(http: httpx.AsyncClient, service: Service) -> None:
    for text in ("[", "[]", '"as"', '{"superuser": true}', '{"umask": "77"}', "{" * 5000):
        answer = await http.get("/hello", headers={"Emerge-Context": text})
        assert (answer.status_code, answer.json()["code"], service.asked) == (400, "Invalid", [])


async def test_only_a_superuser_acts_as_others(start: Start, service: Service) -> None:
    server = await start(context=Context("anna"))
    async with talk(server.url) as http:
        answer = await http.get("/hello", headers={"Emerge-Context": '{"as": "bert"}'})
    assert (answer.status_code, answer.json()["code"], service.asked) == (403, "PermissionDenied", [])


# --- who may come in


async def test_the_token(start: Start, service: Service) -> None:
    service.answers["hello"] = 1
    server = await start(token=TOKEN)
    async with talk(server.url) as http:
        for shown in ("", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}é".encode()):
            answer = await http.get("/hello", headers={"Authorization": shown} if shown else {})
            assert (answer.status_code, answer.json()["code"]) == (401, "PermissionDenied")
            assert answer.headers["www-authenticate"] == "Bearer"
        assert service.asked == []
        assert (await http.get("/hello", headers={"Authorization": f"bearer {TOKEN}"})).status_code == 200
        assert (await http.get("/openapi.json")).status_code == 200


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Host": "evil.example"},  # its name was turned to this machine's address
    {"Host": ""},
    {"Host": "[", "Sec-Fetch-Site": "same-origin"},
]


async def test_other_pages_are_kept_out(http: httpx.AsyncClient, service: Service) -> None:
    for headers in FOREIGN:
        for method in ("GET", "POST"):
            answer = await http.request(method, "/hello", headers=headers)
            assert answer.status_code in (400, 403), answer.text
            assert "access-control-allow-origin" not in answer.headers
        assert service.asked == []


async def test_pages_of_its_own_come_in(start: Start, service: Service) -> None:
    service.answers["hello"] = 1
    server = await start(origins=["https://emerge.example/"])
    async with talk(server.url) as http:
        for origin in (server.url, server.url.replace("127.0.0.1", "localhost"), "https://emerge.example"):
            assert (await http.post("/hello", headers={"Origin": origin})).status_code == 200
        assert (await http.get("/hello", headers={"Sec-Fetch-Site": "same-origin"})).status_code == 200
        assert (await http.get("/hello", headers={"Host": "emerge.example"})).status_code == 200


@pytest.mark.parametrize(
    "settings",
    [
        {"host": "0.0.0.0"},
        {"host": "0.0.0.0", "token": TOKEN},
        {"host": "192.0.2.1", "origins": ["https://emerge.example"]},
        {"host": "192.0.2.1", "token": TOKEN, "origins": ["http://emerge.example"]},
        {"host": "emerge.example", "token": TOKEN},
    ],
)
def test_it_listens_on_loopback_only(service: Service, settings: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="other machines"):
        RESTNodeServer(service.dispatch, **settings)
    RESTNodeServer(service.dispatch, "192.0.2.1", token=TOKEN, origins=["https://emerge.example"])


async def test_a_taken_port_is_named(start: Start) -> None:
    server = await start()
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(Invalid, match=f"port {port} of 127.0.0.1 is taken"):
        await start(port=port)


# --- limits


async def test_a_body_has_a_limit(start: Start, service: Service) -> None:
    service.answers["cat"] = 1
    server = await start(RequestLimits(body=1000))
    async with talk(server.url) as http:
        answer = await http.post("/cat", json={"path": "/" + 2000 * "a"})
        assert (answer.status_code, answer.json()["details"]) == (413, {"limit": "body"})

        async def pieces() -> Any:
            for _ in range(20):
                yield 100 * b"a"

        answer = await http.post("/cat", content=pieces(), headers={"Content-Type": "application/json"})
        assert answer.status_code == 413 and service.asked == []
        assert (await http.post("/cat", json={"path": "/" + 900 * "a"})).status_code == 200


async def test_requests_under_way_have_a_limit(start: Start, service: Service) -> None:
    service.answers["cat"] = asyncio.get_running_loop().create_future()
    server = await start(RequestLimits(requests=1))
    async with talk(server.url) as http:
        first = asyncio.ensure_future(http.get("/cat/a"))
        await soon(service.begun)
        answer = await http.get("/hello")
        assert (answer.status_code, answer.json()["details"]) == (429, {"limit": "requests under way"})
        assert "retry-after" in answer.headers
        service.answers["cat"].set_result("done")
        assert (await first).json() == "done"
        assert len(server.rest) == 0


async def test_a_body_that_does_not_come(start: Start, service: Service) -> None:
    server = await start(RequestLimits(patience=0.05))
    port = int(server.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /api/v1/hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{")
    assert b" 408 " in await asyncio.wait_for(reader.readline(), 3)
    writer.close()
    await writer.wait_closed()
    assert service.asked == [] and len(server.rest) == 0


# --- the end of a connection


async def test_who_leaves_ends_the_call(http: httpx.AsyncClient, service: Service) -> None:
    service.answers["cat"] = asyncio.get_running_loop().create_future()
    asking = asyncio.ensure_future(http.get("/cat/a"))
    await soon(service.begun)
    asking.cancel()
    await soon(service.ended)
    assert service.answers["cat"].cancelled()


async def test_stopping_tells_those_who_wait(start: Start, service: Service) -> None:
    service.answers["cat"] = asyncio.get_running_loop().create_future()
    service.answers["watch"] = [{"n": 1}, ...]
    server = await start()
    async with talk(server.url) as http, Client(RESTTransport(server.url)) as client:
        asking = asyncio.ensure_future(http.get("/cat/a"))
        await soon(service.begun)
        watch = client.watch("/")
        assert await anext(watch) == {"n": 1}
        coming = asyncio.ensure_future(anext(watch))
        async with asyncio.timeout(1):
            await server.stop()
        answer = await asking
        assert (answer.status_code, answer.json()["code"]) == (503, "Unavailable")
        with pytest.raises(Unavailable, match="stops"):
            await coming


# --- the description


async def test_the_description_names_exactly_the_table(http: httpx.AsyncClient) -> None:
    answer = await http.get("/openapi.json")
    document = answer.json()
    assert document == describe(str(http.base_url).rstrip("/"))
    assert list(document["paths"]) == [*(f"/{name}" for name in TABLE), "/files/{path}"]
    for row in TABLE.values():
        path = document["paths"][f"/{row.name}"]
        assert set(path) == ({"post"} if row.changes else {"post", "get"})
        for operation in path.values():
            assert operation["description"] == row.doc and operation["tags"] == [row.group]
        if row.parameters:
            schema = path["post"]["requestBody"]["content"]["application/json"]["schema"]
            assert list(schema["properties"]) == [parameter.name for parameter in row.parameters]
            assert len(schema.get("required", [])) == row.required


def test_the_description_is_whole() -> None:
    """References lead somewhere, ids are unique, and each part has what OpenAPI 3.1 asks of it."""
    document = describe("http://localhost:1/api/v1")
    assert document["openapi"] == "3.1.0" and {"title", "version"} <= set(document["info"])
    operations = [
        operation for path in document["paths"].values() for method, operation in path.items() if method != "parameters"
    ]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    for reference in _references(document):
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
    for operation in operations:
        assert {"200", "400", "401", "403", "404", "409", "413", "422", "429", "500", "503"} <= set(
            operation["responses"]
        )
        for parameter in operation["parameters"]:
            assert "$ref" in parameter or ({"name", "in", "schema"} <= set(parameter) and parameter["in"] == "query")
        for answer in operation["responses"].values():
            assert "$ref" in answer or "description" in answer
    json.dumps(document, allow_nan=False)


def _references(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return own + [found for inner in part.values() for found in _references(inner)]
    return [found for inner in part for found in _references(inner)] if isinstance(part, list) else []
