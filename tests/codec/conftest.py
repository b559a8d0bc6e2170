"""The codec runs on msgpack's C extension and on its pure-Python fallback (with which a tab starts)."""

from __future__ import annotations

import msgpack
import msgpack.fallback
import pytest


@pytest.fixture(params=["native", "fallback"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "fallback":
        monkeypatch.setattr(msgpack, "unpackb", msgpack.fallback.unpackb)
        monkeypatch.setattr(msgpack, "Unpacker", msgpack.fallback.Unpacker)
        monkeypatch.setattr(msgpack, "packb", lambda value: msgpack.fallback.Packer().pack(value))
    else:
        assert msgpack.Unpacker is not msgpack.fallback.Unpacker
    return str(request.param)
