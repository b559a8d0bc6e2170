"""Map and reduce: every page counts its own words where it lives, in parallel; the counts are added up here."""

import re
from collections import Counter
from dataclasses import dataclass

from emerge_wasm import EmergeFile, fs


@dataclass
class Page(EmergeFile):
    """A page of text."""

    text: str = ""

    def count_words(self) -> dict[str, int]:
        """How often each word is on this page."""
        return dict(Counter(re.findall(r"\w+", self.text.lower())))


TEXTS = ["the cat sat on the mat", "the dog sat on the log", "a cat and a dog"]
fs.storeall(Page(name=f"page{number}", path="/pages", text=text) for number, text in enumerate(TEXTS))
total: Counter[str] = Counter()
for row in fs.run("/pages", "count_words"):
    total.update(row["result"])
print(total.most_common(5))
