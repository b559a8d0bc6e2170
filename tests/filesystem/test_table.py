"""The operation table against what implements it and what calls it: one drifting from the other shows here."""

from __future__ import annotations

import inspect

import pytest
from click import Context
from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm.cli.main import main
from emerge_wasm.cli.plain import MADE_BY, WITHOUT
from emerge_wasm.clients import Client, SyncClient
from emerge_wasm.errors import Invalid
from emerge_wasm.filesystem.filesystem import HANDLERS
from emerge_wasm.node.server import answer_builtin
from emerge_wasm.operations import TABLE, Operation
from emerge_wasm.rest.openapi import describe
from tests.scale import examples

CLUSTER = {
    *("nodes", "watchnodes", "holdings", "whohas"),
    *("volumes", "foundcluster", "mount", "unmount", "replicate", "promote", "ring", "addkey", "revokekey"),
}
"""Operations that a node answers, in front of its filesystem."""

EXTRA = {"unpack", "load_class", "fetch_bundles", "close"}
EXTRA |= {"within", "as_user", "with_umask", "transaction", "reference", "record", "resolve", "proxy", "states"}
EXTRA |= {"code_of", "run_with_receipt", "search_pages", "text_pages"}
EXTRA |= {"put", "fetch", "open", "verify", "reshape", "puttree", "fetchtree"}
EXTRA |= {"once", "numbered", "map", "trust", "load_bundle", "with_own_rights"}
EXTRA |= {"load_records", "export_json", "export_csv", "load_json", "load_csv", "export_fields", "load_fields"}
"""What a Client does beside the table; `fetch_bundles` stands for the operation `classes`."""


BY_OTHER_NAMES = {"classes": "fetch_bundles"}
"""Operations that a method of another name of Client makes."""


COMMANDS = main.list_commands(Context(main))


@pytest.mark.parametrize("name", TABLE)
def test_every_operation_can_be_typed(name: str) -> None:
    assert (MADE_BY.get(name, name) in COMMANDS) != (name in WITHOUT)


@pytest.mark.parametrize("name", TABLE)
def test_every_operation_is_a_method_with_and_without_await(name: str) -> None:
    method = BY_OTHER_NAMES.get(name, name)
    assert method in vars(SyncClient) and callable(getattr(Client, method))


@pytest.mark.parametrize("name", TABLE)
def test_every_operation_has_a_route(name: str) -> None:
    described = describe("http://127.0.0.1")["paths"][f"/{name}"]
    assert set(described) == ({"post"} if TABLE[name].changes else {"post", "get"})
    assert described["post"]["operationId"] == name


def test_zerorpc_tells_every_operation() -> None:
    assert answer_builtin("vm", "_zerorpc_list", []) == list(TABLE)
    assert set(answer_builtin("vm", "_zerorpc_inspect", [])["methods"]) == set(TABLE)


def test_every_operation_has_a_handler() -> None:
    assert set(HANDLERS) == set(TABLE) - CLUSTER


@pytest.mark.parametrize("name", HANDLERS)
def test_handlers_take_what_the_table_says(name: str) -> None:
    names = list(inspect.signature(HANDLERS[name]).parameters)
    assert names == ["core", "context", *(parameter.name for parameter in TABLE[name].parameters)]


@pytest.mark.parametrize("name", HANDLERS)
def test_handlers_stream_when_the_table_says_so(name: str) -> None:
    assert inspect.isasyncgenfunction(HANDLERS[name]) == TABLE[name].streams
    assert inspect.iscoroutinefunction(HANDLERS[name]) != TABLE[name].streams


@pytest.mark.parametrize("row", TABLE.values(), ids=lambda row: row.name)
def test_every_operation_is_documented(row: Operation) -> None:
    assert row.doc.rstrip().endswith(".") and row.group


def test_the_client_has_every_operation() -> None:
    public = {name for name, _ in inspect.getmembers(Client, inspect.isfunction) if not name.startswith("_")}
    assert public - EXTRA == set(TABLE) - {"classes"}
    assert all(inspect.getdoc(getattr(Client, name)) for name in public - {"close"})


VALUES = st.sampled_from([None, True, 0, 1.5, "/a", b"", [], {}, (), {1}])


@settings(max_examples=examples(200), deadline=None)
@given(st.sampled_from(sorted(TABLE)), st.lists(st.lists(VALUES, max_size=11), min_size=1, max_size=4))
def test_arguments_fit_or_not_whatever_was_bound_before(name: str, calls: list[list[object]]) -> None:
    row = TABLE[name]
    for args in [*calls, *calls]:
        if row.required <= len(args) <= len(row.parameters) and all(
            not kinds or type(value) in kinds for kinds, value in zip(row.kinds, args, strict=False)
        ):
            left = [each.default for each in row.parameters[len(args) :]]
            bound = row.bind(args)
            assert [getattr(bound, each.name) for each in row.parameters] == [*args, *left]
            assert bound._replace() == bound
        else:
            with pytest.raises(Invalid, match=f"^{name}"):
                row.bind(args)
