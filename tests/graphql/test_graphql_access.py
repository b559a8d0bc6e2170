"""Who may see and do what in GraphQL is what the filesystem says, schema included."""

from __future__ import annotations

import pytest

from emerge_wasm import NotFound, PermissionDenied
from emerge_wasm.codec import Reference
from emerge_wasm.context import Context

from .conftest import Place
from .thing import Supplier, Widget

BOB = Context("bob")


@pytest.fixture
async def shared(place: Place) -> Place:
    """A directory that all may read, with an object that only anna may."""
    await place.client.mkdir("/inventory")
    await place.client.chmod("/inventory", "755")
    secret = await place.client.store(Supplier(name="secret", path="/inventory", city="Rome"))
    await place.client.store(Widget(name="w", path="/inventory", quantity=3, supplier=Reference(secret.uuid)))
    await place.client.store(Widget(name="hidden", path="/inventory"))
    await place.client.chmod("/inventory/w", "754")
    return place


async def test_what_may_not_be_read_is_not_there(shared: Place) -> None:
    document = "{ widgets { objects { name supplier { name } } count } objects { count } }"
    answer = await shared.ask(document, context=BOB)
    assert answer["data"]["widgets"] == {"objects": [{"name": "w", "supplier": None}], "count": 1}
    assert answer["data"]["objects"]["count"] == 1
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["PermissionDenied"]
    denied = await shared.ask('{ object(path: "/inventory/hidden") { name } }', context=BOB)
    assert denied["errors"][0]["extensions"] == {
        "code": "PermissionDenied",
        "path": "/inventory/hidden",
        "remedy": denied["errors"][0]["extensions"]["remedy"],
    }


async def test_classes_that_may_not_be_seen_are_in_no_schema(shared: Place) -> None:
    document = "{ __schema { types { name } } }"
    seen = await shared.ask(document, context=BOB)
    names = {each["name"] for each in seen["data"]["__schema"]["types"]}
    assert "Widget" in names and "Supplier" not in names
    error = (await shared.ask("{ suppliers { count } }", context=BOB))["errors"][0]
    assert "suppliers" in error["message"] and "supplier" not in error["message"].partition("Did you mean")[2]
    await shared.client.chmod("/inventory/secret", "754")
    assert (await shared.ask("{ suppliers { count } }", context=BOB))["data"]["suppliers"]["count"] == 1


async def test_what_may_not_be_changed_is_not(shared: Place) -> None:
    document = 'mutation { updateWidget(path: "/inventory/w", fields: {quantity: 9}) { name } '
    document += 'createWidget(path: "/inventory/mine", fields: {}) { name } remove(path: "/inventory/w") '
    document += 'run(path: "/inventory/w", method: "total") }'
    answer = await shared.ask(document, context=BOB)
    assert set(answer["data"].values()) == {None}
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"PermissionDenied"}
    assert (await shared.client.cat("/inventory/w"))["quantity"] == 3


async def test_the_path_itself(shared: Place) -> None:
    await shared.client.mkdir("/closed")
    with pytest.raises(PermissionDenied):
        await shared.ask("{ objects { count } }", "/closed", context=BOB)
    with pytest.raises(NotFound):
        await shared.ask("{ objects { count } }", "/none")
