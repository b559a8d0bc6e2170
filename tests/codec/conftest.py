"""The codec runs on msgpack's C extension and on its pure-Python fallback (with which a tab starts)."""

from __future__ import annotations

from collections.abc import Iterator

import msgpack
import msgpack.fallback
import pytest

from emerge_wasm.codec.msgpack_engine import engine as in_use


@pytest.fixture(params=["native", "fallback"])
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "fallback":
        in_use.use(msgpack.fallback)
    assert (in_use.Unpacker is msgpack.fallback.Unpacker) == (request.param == "fallback")
    yield str(request.param)
    in_use.use(msgpack)
