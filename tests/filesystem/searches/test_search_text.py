"""Full text search: the same objects, scores and order with an index and without."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emerge_wasm.codec import encode
from emerge_wasm.errors import Invalid, LimitExceeded
from emerge_wasm.filesystem.searches import searchtext
from emerge_wasm.filesystem.searches.searchtext import SearchWord, rank, read_words
from tests.filesystem.searches.searched import Searched, searched
from tests.scale import examples

WORDS = st.sampled_from(["red", "Red", "reddish", "blue", "BLUE", "straße", "STRASSE", "a", "été"])
TEXTS = st.one_of(st.lists(WORDS, max_size=6).map(" ".join), st.sampled_from([None, 3, ["red", "blue blue", 4], {}]))
QUERIES = st.lists(st.sampled_from(["red", "red*", "blue", "strasse", "r*", "été", "green"]), min_size=1, max_size=3)


@settings(max_examples=examples(30), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(TEXTS, max_size=20), QUERIES.map(" ".join), st.integers(1, 5), st.booleans())
def test_an_index_makes_no_difference(texts: list[Any], words: str, limit: int, closed: bool) -> None:
    async def work() -> None:
        async with searched() as there:
            await there.put({f"/s/{'ab'[n % 2]}/n{n:02}": {"body": text} for n, text in enumerate(texts)})
            await there.put({"/other/n": {"body": "red blue red"}, "/s/a/bare": {}})
            who = there
            if closed:
                for path in ("/", "/s", "/s/a", "/s/b", *(f"/s/a/n{n:02}" for n in range(0, len(texts), 4))):
                    if path != "/s/b" or texts[1:]:
                        await there.call("chmod", path, "755")
                who = there.as_user("bob")
            plain = await who.words("/s", "body", words)
            assert await who.words("/s", "body", words, limit) == plain
            await there.index("/", "body", text=True)
            assert await who.words("/s", "body", words) == plain
            assert await who.words("/s", "body", words, limit) == plain
            for path, _ in plain:
                number = int(path[-2:])
                assert not closed or number % 4 == 0

    asyncio.run(work())


async def library(there: Searched) -> None:
    texts = {
        "fox": "The quick brown fox jumps over the lazy dog",
        "dog": "A dog is a dog is a dog",
        "quick": "Quick: the dog",
        "long": "dog " + "word " * 200,
        "none": "cats",
    }
    await there.put({f"/books/{name}": {"body": text} for name, text in texts.items()})


@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize("engine", ["memory", "sqlite"])
async def test_the_best_come_first(indexed: bool, engine: str, tmp_path: Path) -> None:
    async with searched("memory:" if engine == "memory" else f"sqlite:///{tmp_path}/s.db") as there:
        await library(there)
        if indexed:
            await there.index("/books", "body", text=True)
        names = [path for path, _ in await there.words("/books", "body", "dog")]
        assert names == ["/books/dog", "/books/quick", "/books/fox", "/books/long"]
        assert [path for path, _ in await there.words("/", "body", "DOG quick")] == ["/books/quick", "/books/fox"]
        assert [path for path, _ in await there.words("/", "body", "qui* the")] == ["/books/quick", "/books/fox"]
        assert await there.words("/", "body", "dog cats") == []
        assert await there.words("/", "title", "dog") == []
        assert await there.words("/books/dog", "body", "dog")
        await there.call("update", "/books/none", encode({"body": "dog"}))
        await there.call("rm", "/books/dog")
        assert {path for path, _ in await there.words("/books", "body", "dog")} == {
            f"/books/{name}" for name in ("quick", "fox", "long", "none")
        }


def test_words_are_read() -> None:
    assert read_words("Red re* foo-bar* red") == [
        SearchWord("red", False),
        SearchWord("re", True),
        SearchWord("foo", False),
        SearchWord("bar", True),
    ]
    for text in ("", " * ", "-", " ".join(f"w{n}" for n in range(33))):
        with pytest.raises(Invalid):
            read_words(text)


def test_rare_words_weigh_more() -> None:
    counts = {bytes([n]): [1, 0] for n in range(20)} | {b"x": [1, 3], b"y": [3, 1]}
    scores = rank(counts, dict.fromkeys(counts, 10))
    assert [uuid for _, uuid in scores] == [b"x", b"y"]
    assert rank({}, {}) == []


async def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    async with searched() as there:
        await library(there)
        monkeypatch.setattr(searchtext, "OBJECTS_LIMIT", 3)  # patched: the limit is 1,000,000 objects
        with pytest.raises(LimitExceeded) as refused:
            await there.words("/books", "body", "dog")
        assert refused.value.details["limit"] == "objects"
        with pytest.raises(Invalid, match="between 1 and"):
            await there.call("searchtext", "/books", "body", "fox", 0)
        with pytest.raises(Invalid, match="without the cursor"):
            await there.call("searchtext", "/books", "body", "fox", 3, "nonsense")
