"""GraphQL calls operations with named arguments, in the order of the table."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from emerge_wasm.graphql.caller import GraphQLCaller
from emerge_wasm.operations import Answer, Context, Values

CONTEXT = Context("anna")


class Calls:
    """A dispatch that keeps what it is given; a stream yields its arguments."""

    def __init__(self) -> None:
        self.made: list[tuple[str, Values, str]] = []

    def __call__(self, name: str, args: Values, context: Context) -> Answer:
        self.made.append((name, args, context.transaction))
        return self._items(args) if name == "watch" else self._result(args)

    async def _result(self, args: Values) -> Values:
        return args

    async def _items(self, args: Values) -> AsyncIterator[Any]:
        for each in args:
            yield each


async def test_arguments_come_in_order_with_defaults() -> None:
    caller = GraphQLCaller(Calls(), CONTEXT)
    assert await caller.call("references", limit=3, path="/a") == ["/a", False, "", 3]
    assert [each async for each in caller.stream("watch", since=7)] == ["/", 7]


async def test_an_unknown_or_missing_argument_is_an_error() -> None:
    caller = GraphQLCaller(Calls(), CONTEXT)
    with pytest.raises(TypeError, match="pth"):
        await caller.call("get", pth="/a")
    with pytest.raises(TypeError, match="path"):
        await caller.call("get", version=1)


async def test_a_change_is_one_transaction() -> None:
    calls = Calls()

    async def change(caller: GraphQLCaller) -> str:
        await caller.call("rm", path="/a")
        return "done"

    assert await GraphQLCaller(calls, CONTEXT).in_transaction(change) == "done"
    (begin, (name, _), _), (rm, _, inside), (commit, committed, _) = calls.made
    assert (begin, rm, commit) == ("begin", "rm", "commit") and [inside] == committed == [name]


async def test_a_change_that_fails_is_rolled_back() -> None:
    calls = Calls()

    async def change(caller: GraphQLCaller) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await GraphQLCaller(calls, CONTEXT).in_transaction(change)
    assert [name for name, _, _ in calls.made] == ["begin", "rollback"]
