"""Words of a text, as full text search knows them. Pure; must import nothing but the standard library."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from typing import Any

WORD_LENGTH = 64
"""Characters of a word that count."""

_WORD = re.compile(r"\w+")


def fold(text: str) -> str:
    """A text so that case and the ways to write a character make no difference."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def words_of(value: Any) -> Iterator[str]:
    """The words of a str, or of all str of a list, in their order; none of anything else."""
    if isinstance(value, str):
        for word in _WORD.findall(fold(value)):
            yield word[:WORD_LENGTH]
    elif isinstance(value, (list, tuple)):
        for held in value:
            if isinstance(held, str):
                yield from words_of(held)


def count_words(value: Any) -> tuple[dict[str, int], int]:
    """How often each word is there, and how many words there are."""
    counts = Counter(words_of(value))
    return counts, counts.total()
