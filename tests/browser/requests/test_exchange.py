"""Files that people give the page: read whatever wrote them, and given back what they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emerge_wasm import Invalid
from emerge_wasm.browser.requests.exchange import ENCODINGS, _fields_of, _text


@given(st.text("aäß€žç,;\n", min_size=1), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]))
def test_a_text_is_read_whatever_wrote_it(text: str, encoding: str) -> None:
    data = text.encode(encoding)
    if encoding != "cp1252" or not _is_utf8(data):
        assert _text(data, "") == (text, encoding.removesuffix("-sig"))
    assert _text(data, encoding.removesuffix("-sig"))[0] == text


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_what_is_no_text_is_refused_and_each_encoding_is_there() -> None:
    with pytest.raises(Invalid, match="no text"):
        _text(b"\x89PNG\0\xff", "")
    with pytest.raises(Invalid, match="byte 1 of the file is not in utf-8"):
        _text(b"a\xff", "utf-8")
    with pytest.raises(Invalid, match="no encoding 'rot13'"):
        _text(b"a", "rot13")
    for encoding in ENCODINGS:
        assert _text("a;1\n".encode(encoding), encoding) == ("a;1\n", encoding)


def test_columns_become_fields_that_expressions_can_name() -> None:
    assert _fields_of(["Name", "first name", "class", "__proto__", "2nd", "Größe"]) == [
        "name",
        "first_name",
        "class_",
        "proto",
        "n_2nd",
        "Größe",
    ]
    assert _fields_of(["Name", "name", "NAME"]) == ["Name", "name", "NAME"]
