"""The text of a module with 30 dataclasses that depend on one another, each with a helper, methods and a constant."""

from __future__ import annotations

NOUNS = (
    "Item Line Order Client Address Invoice Payment Account Branch Region Product Price Stock Shelf Depot Truck Route "
    "Stop Driver Shift Ledger Entry Period Budget Forecast Report Chart Page Section Book"
).split()
LAST = NOUNS[-1]
"""The class that needs all others."""
HEAD = """
import math
import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

CENT = Decimal("0.01")
WORD = re.compile(r"\\w+")
LIMITS = {"small": 10, "large": 1000}
"""
CLASS = '''
%(upper)s_RATE = %(number)d


def %(lower)s_weight(amount: float, rate: int = %(upper)s_RATE) -> float:
    """The weight of a %(lower)s."""
    if amount > LIMITS["large"]:
        return math.sqrt(amount) * rate
    return amount * rate


@dataclass
class %(noun)s:
    """A %(lower)s of the company, with what belongs to it."""

    amount: float = 1.0
    label: str = ""
    day: date = date(2026, 1, 1)
%(fields)s
    @property
    def words(self) -> list[str]:
        return WORD.findall(self.label)

    def weight(self) -> float:
        own = %(lower)s_weight(self.amount)
%(weights)s        return own

    def later(self, days: int = 1) -> "%(noun)s":
        return %(noun)s(self.amount, self.label, self.day + timedelta(days=days))

    def by_letter(self) -> dict[str, list[str]]:
        found = defaultdict(list)
        for word in self.words:
            found[word[:1].lower()].append(word)
        return dict(found)

    def rounded(self) -> Decimal:
        return Decimal(str(self.weight())).quantize(CENT)
'''


def company() -> str:
    """Return the module's text."""
    return HEAD + "".join(_class(number, noun) for number, noun in enumerate(NOUNS))


def _class(number: int, noun: str) -> str:
    parts = [NOUNS[number - back] for back in (1, 2, 7) if number >= back]
    fields = "".join(f"    {part.lower()}s: list[{part}] = field(default_factory=list)\n" for part in parts)
    weights = "".join(f"        own += sum(part.weight() for part in self.{part.lower()}s)\n" for part in parts)
    names = {"noun": noun, "lower": noun.lower(), "upper": noun.upper(), "number": number + 1}
    return "\n" + CLASS % {**names, "fields": fields, "weights": weights}
