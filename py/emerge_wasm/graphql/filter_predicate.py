"""Write a filter as the text of a predicate over objects, with the values that it captures. Pure.

Null has no order and contains nothing: `lt`, `contains` and the like are false for it, as in SQL; `eq`, `ne` and `in`
take null as any other value. A field that an object lacks is null.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..codec import encode
from ..errors import Invalid, LimitExceeded
from ..operations import Wire
from .enum_member import EnumName, FlagValue

CONDITIONS_LIMIT = 100
VALUES_LIMIT = 1000
"""Values in one `in`."""

COMPARE = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}
METHODS = ("startswith", "endswith")


@dataclass
class FilterPredicate:
    """Builds a predicate. `values`: what it captures, by name.

    `sure`: the fields that every object has. Others are tested with hasattr first, so that an index on them is usable.
    """

    sure: frozenset[str] = frozenset()
    values: dict[str, object] = field(default_factory=dict)
    count: int = 0

    def wire(self, *texts: str) -> Wire | None:
        """Return the predicate that is true where all these texts are; None when it is true of all objects."""
        text = self.all(list(texts))
        return None if text == "True" else {"text": f"lambda o: {text}", "values": encode(self.values), "bundle": ""}

    def all(self, texts: list[str]) -> str:
        return " and ".join(text for text in texts if text != "True") or "True"

    def value(self, value: object) -> str:
        """Capture a value, and return the name for it."""
        name = f"v{len(self.values)}"
        self.values[name] = value
        return name

    def read(self, filter: Wire) -> str:
        """Write the conditions of a filter, all of which must hold."""
        texts: list[str] = []
        for name, wanted in filter.items():
            if name == "and":
                texts += [self.read(each) for each in wanted or ()]
            elif name == "or":
                parts = [self.read(each) for each in wanted or ()]
                texts.append("True" if wanted is None or "True" in parts else f"({' or '.join(parts) or 'False'})")
            elif name == "not":
                texts.append(f"not ({self.read(wanted)})" if wanted is not None else "True")
            elif wanted is not None:
                texts += [self.test(name, operator, value) for operator, value in wanted.items()]
        self.count += len(texts)
        if self.count > CONDITIONS_LIMIT:
            raise LimitExceeded(
                f"the filter has more than {CONDITIONS_LIMIT} conditions", remedy="use `in`", limit="conditions"
            )
        return self.all([text if text.isidentifier() or text.startswith("(") else f"({text})" for text in texts])

    def test(self, name: str, operator: str, value: Any) -> str:
        """Write one condition on one field."""
        if _is_of_member(value):
            return self._member(name, operator, value)
        if operator in ("eq", "ne") and value is None:
            return f"{self._null(name)} is {'' if operator == 'eq' else 'not '}None"
        if operator == "ne":
            return f"{self._null(name)} != {self.value(value)}"
        if operator == "eq":
            return self._there(name, f"o.{name} == {self.value(value)}")
        if value is None:
            raise Invalid(f"{name}: {operator} null is never true", remedy="use eq or ne with null")
        if operator == "in":
            return self._among(name, value)
        return self._there(name, f"o.{name} is not None and {self._compare(f'o.{name}', operator, self.value(value))}")

    def _member(self, name: str, operator: str, value: Any) -> str:
        """Write a condition on an Enum's or a Flag's member: by its name, or its value."""
        given = value if operator == "in" else [value]
        null = None in given
        wanted = [each for each in given if each is not None]
        place = f"o.{name}.{'name' if isinstance(wanted[0], str) else 'value'}"
        wanted = [str(each) if isinstance(each, str) else int(each) for each in wanted]
        if operator == "ne":
            return f"({self._null(name)} is None or {place} != {self.value(wanted[0])})"
        if operator == "contains":
            mask = self.value(wanted[0])
            return self._there(name, f"o.{name} is not None and {place} & {mask} == {mask}")
        test = f"{place} in {self.value(wanted)}" if operator == "in" else f"{place} == {self.value(wanted[0])}"
        if null:
            return f"({self._null(name)} is None or {test})"
        return self._there(name, f"o.{name} is not None and {test}")

    def _among(self, name: str, values: list[object]) -> str:
        if len(values) > VALUES_LIMIT:
            raise LimitExceeded(
                f"{name}: in has {len(values)} values", remedy=f"the limit is {VALUES_LIMIT}", limit="in"
            )
        if not values:
            return "False"
        if None in values:
            return f"{self._null(name)} in {self.value(values)}"
        return self._there(name, f"o.{name} in {self.value(values)}")

    def _there(self, name: str, test: str) -> str:
        """Make a test false for objects without the field."""
        return test if name in self.sure else f"hasattr(o, {name!r}) and {test}"

    def _null(self, name: str) -> str:
        """Write the field's value, None for objects without it."""
        return f"o.{name}" if name in self.sure else f"getattr(o, {name!r}, None)"

    def _compare(self, place: str, operator: str, value: str) -> str:
        if operator in COMPARE:
            return f"{place} {COMPARE[operator]} {value}"
        return f"{value} in {place}" if operator == "contains" else f"{place}.{operator}({value})"


def _is_of_member(value: Any) -> bool:
    """Tell whether a given value is a member, or a list of some."""
    if isinstance(value, list):
        return any(map(_is_of_member, value))
    return isinstance(value, EnumName | FlagValue)
