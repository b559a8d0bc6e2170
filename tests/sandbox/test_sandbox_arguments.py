"""The arguments of a method go to a worker in the bytes that their digest was made of, and are the same there."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from emerge_wasm.codec import encode
from emerge_wasm.errors import EmergeError
from emerge_wasm.filesystem.runner import RunCall
from emerge_wasm.sandbox.call import DeadlineWatch, WorkerCall
from emerge_wasm.sandbox.pool import sent_call
from emerge_wasm.wire import event

from ..codec.test_codec_values import VALUES

SHARED: list[Any] = []
TEXTS = st.text(max_size=5) | st.just("\udc80")


def received(encoded: bytes, name: str, path: str, pointer: dict[str, Any], args: list[Any], kwargs: Any) -> Any:
    """What a worker is called with, and the bytes that this takes; or the error that the call ends with."""
    call = RunCall(path, pointer, b"state", {"hash": b"bundle"}, name, args, kwargs, 5.0, "ann", True, encoded)
    try:
        payload = event.encode_request(
            b"c", "run", sent_call(call, {"hash": b"bundle"}, WorkerCall(name, path, 5.0, 6.0, DeadlineWatch()))
        )
        return event.decode(payload).args, payload
    except EmergeError as error:
        return error.to_wire()


@given(TEXTS, TEXTS, st.dictionaries(TEXTS, TEXTS | st.integers(0, 1 << 70) | st.none()), st.lists(VALUES), VALUES)
@example("m", "/a", {}, [SHARED, SHARED], {"also": SHARED})
@example("m", "/a", {}, [], {})
def test_encoded_arguments_are_received_as_others(
    name: str, path: str, pointer: dict[str, Any], args: list[Any], value: Any
) -> None:
    kwargs = value if isinstance(value, dict) else {"value": value}
    try:
        encoded = encode([args, kwargs])
    except EmergeError:
        return  # no run is made of these
    assert encoded
    ours, theirs = (received(each, name, path, pointer, args, kwargs) for each in (encoded, b""))
    assert ours == theirs
