"""Frames: what is kept of a block gives it back, or an error; encrypted it tells nothing and cannot be exchanged."""

from __future__ import annotations

import sys
import zlib

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from emerge_wasm import Invalid, Unavailable
from emerge_wasm.blocks import frame as frames
from emerge_wasm.blocks.block import block_name
from emerge_wasm.blocks.cipher import BlockCipher
from emerge_wasm.blocks.frame import from_frame, is_current, to_frame
from tests.contracts.files import pattern
from tests.scale import examples

pytest.importorskip("cryptography", reason="the extra encryption is not installed")

FIRST, SECOND = bytes(range(32)), bytes(range(1, 33))
CIPHERS = {"none": None, "first": BlockCipher([FIRST]), "both": BlockCipher([SECOND, FIRST])}
DATA = st.binary(max_size=300) | st.builds(
    lambda size, text, seed: pattern(size, seed) + b"some text " * text,
    st.integers(0, 9000),
    st.integers(0, 900),
    st.integers(0, 9),
)


@settings(max_examples=examples(60), deadline=None)
@given(DATA, st.sampled_from(sorted(CIPHERS)))
def test_a_frame_gives_the_block_back(data: bytes, which: str) -> None:
    name, cipher = block_name(data), CIPHERS[which]
    frame = to_frame(name, data, cipher)
    assert from_frame(name, frame, cipher) == data
    assert len(frame) <= len(data) + 1 + (37 if cipher else 0)
    assert is_current(frame, cipher)
    if cipher is not None:
        assert to_frame(name, data, cipher) != frame
        assert len(data) < 16 or data[:16] not in frame
        with pytest.raises(Unavailable, match="key"):
            from_frame(name, frame)


@settings(max_examples=examples(80), deadline=None)
@given(DATA, st.sampled_from(sorted(CIPHERS)), st.data())
def test_a_damaged_frame_is_told(data: bytes, which: str, choose: st.DataObject) -> None:
    name, cipher = block_name(data), CIPHERS[which]
    frame = bytearray(to_frame(name, data, cipher))
    at = choose.draw(st.integers(0, len(frame) - 1))
    if choose.draw(st.booleans()):
        del frame[at:]
    else:
        frame[at] ^= choose.draw(st.integers(1, 255))
    try:
        found = from_frame(name, bytes(frame), cipher)
    except Invalid as error:
        assert error.details["rotten"] == name.hex()
    except Unavailable:  # what says which key it is, or that there is one
        assert at < 9
    else:
        assert found == data


@settings(max_examples=examples(20), deadline=None)
@given(DATA, DATA)
def test_encrypted_frames_cannot_be_exchanged(one: bytes, other: bytes) -> None:
    assume(one != other)
    cipher = CIPHERS["first"]
    with pytest.raises(Invalid):
        from_frame(block_name(one), to_frame(block_name(other), other, cipher), cipher)


def test_an_older_key_reads_and_another_does_not() -> None:
    data = b"of the time before " * 9
    old = to_frame(block_name(data), data, CIPHERS["first"])
    assert from_frame(block_name(data), old, CIPHERS["both"]) == data
    assert not is_current(old, CIPHERS["both"]) and not is_current(to_frame(block_name(data), data), CIPHERS["both"])
    new = to_frame(block_name(data), data, CIPHERS["both"])
    with pytest.raises(Unavailable, match="not at hand") as caught:
        from_frame(block_name(data), new, CIPHERS["first"])
    assert "block_key" in str(caught.value.remedy)
    assert from_frame(block_name(data), to_frame(block_name(data), data), CIPHERS["both"]) == data


def test_blocks_compressed_by_zlib_are_read() -> None:
    data = b"as it was written once " * 99
    assert from_frame(block_name(data), b"\1" + zlib.compress(data)) == data


def test_without_its_packages_the_errors_name_them(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"text " * 999
    packed = to_frame(block_name(data), data)
    for module in ("compression.zstd", "backports.zstd", "cryptography.hazmat.primitives.ciphers.aead"):
        monkeypatch.setitem(sys.modules, module, None)  # patched: as where they are not installed
    frames._find_zstd.cache_clear()  # private: it is looked for once
    try:
        with pytest.raises(Unavailable, match="Zstandard") as caught:
            from_frame(block_name(data), packed)
        assert "backports.zstd" in str(caught.value.remedy)
        without = to_frame(block_name(data), data)
        assert len(without) < 500 and from_frame(block_name(data), without) == data
        with pytest.raises(Unavailable, match="cryptography"):
            BlockCipher([FIRST])
    finally:
        frames._find_zstd.cache_clear()  # private: it is looked for once


@pytest.mark.parametrize("keys", [[], [b""], [FIRST[:31]], [FIRST, b"x"]])
def test_keys_have_their_size(keys: list[bytes]) -> None:
    with pytest.raises(Invalid, match="32 bytes"):
        BlockCipher(keys)
