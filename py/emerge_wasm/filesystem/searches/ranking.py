"""How well objects answer to words: BM25 over those that have any of them. Pure.

The figures it weighs with (how many objects, their average length, how many have a word) are those of the objects that
have at least one of the words, below the path, for the caller to read: cheap to know, the same with an index and
without, and they tell nothing of what the caller may not see.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

K1, B = 1.2, 0.75


def rank(counts: Mapping[bytes, Sequence[int]], lengths: Mapping[bytes, int]) -> list[tuple[float, bytes]]:
    """(score, uuid) of those that have all the words, the best first, ties by uuid.

    `counts`: by uuid, how often each word is there; `lengths`: how many words there are.
    """
    total = len(counts)
    if not total:
        return []
    average = sum(lengths[uuid] for uuid in counts) / total
    having = [sum(map(bool, column)) for column in zip(*counts.values(), strict=True)]
    weights = [math.log(1 + (total - each + 0.5) / (each + 0.5)) for each in having]
    found = [(_score(row, weights, lengths[uuid] / average), uuid) for uuid, row in counts.items() if all(row)]
    return sorted(found, key=lambda row: (-row[0], row[1]))


def _score(row: Sequence[int], weights: Sequence[float], length: float) -> float:
    return sum(
        weight * count * (K1 + 1) / (count + K1 * (1 - B + B * length))
        for weight, count in zip(weights, row, strict=True)
    )
