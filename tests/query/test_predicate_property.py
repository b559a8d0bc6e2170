"""What a predicate says of a row is what the lambda says of the instance: random lambdas over random objects."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from emerge_wasm.bundles.builtin_modules import BUILTIN_MODULES as MODULES
from emerge_wasm.query.key_range import ABSENT, Both, Either, Everything, Nothing, Range, RangeSet
from emerge_wasm.query.nested import NeedsCode
from tests.scale import examples

from .conftest import Address, Color, Item, Level, Point, again, from_text, row_of

NUMBERS = st.one_of(
    st.integers(-5, 5),
    st.sampled_from([0.0, -0.0, 0.5, 3.0, float("nan"), float("inf"), 2**70, True, False]),
    st.sampled_from([Decimal("0.5"), Decimal("3"), Decimal("NaN"), 1 + 0j]),
)
TEXTS = st.sampled_from(["", "a", "ab", "box", "Box", "3", "ß", "\U0010ffff", "a\U0010ffff", "b"])
MOMENTS = st.sampled_from(
    [
        date(2024, 5, 1),
        datetime(2024, 5, 1),
        datetime(2024, 5, 1, tzinfo=UTC),
        time(3, 4),
        timedelta(days=1),
        timedelta(0),
        UUID(int=3),
        b"a",
        None,
    ]
)
SCALARS = st.one_of(NUMBERS, TEXTS, MOMENTS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(TEXTS, inner, max_size=2),
        st.sets(TEXTS, max_size=2),
    ),
    max_leaves=4,
)
ADDRESSES = st.builds(Address, city=TEXTS, zip=TEXTS, lines=st.lists(TEXTS, max_size=2))
ITEMS = st.builds(
    Item,
    price=VALUES,
    count=VALUES,
    title=TEXTS,
    tags=st.lists(SCALARS, max_size=3),
    address=st.none() | ADDRESSES,
    color=st.sampled_from(Color),
    level=st.sampled_from(Level),
    point=st.none() | st.builds(Point, st.integers(0, 3), st.integers(0, 3)),
    data=VALUES | ADDRESSES | st.lists(st.sampled_from(Color), max_size=2),
    name=TEXTS.filter(bool),
    id=TEXTS,
)
FIELDS = [
    "price",
    "count",
    "title",
    "tags",
    "data",
    "name",
    "path",
    "version",
    "id",
    "color",
    "level",
    "point",
    "missing",
]
FIELDS += ["size", "half", "twice", "kind", "total", "_private"]
LITERALS = ["0", "1", "3", "-1", "0.5", "3.0", "True", "None", "''", "'a'", "'box'", "b'a'", "[]", "(1, 'a')", "{1, 3}"]
LITERALS += [
    "{'a': 1}",
    "limit",
    "names",
    "datetime.date(2024, 5, 1)",
    "datetime.timedelta(1)",
    "decimal.Decimal('0.5')",
]
METHODS = ["upper()", "startswith('a')", "startswith(('a', 'b'))", "strip()", "split('o')", "count('a')", "index('a')"]
METHODS += ["get('a')", "get('a', 3)", "keys()", "isoformat()", "replace('a', 'bb')", "join(['x', 'y'])", "nothing()"]
METHODS += [
    "is_integer()",
    "bit_length()",
    "total_seconds()",
    "isdisjoint([1])",
    "zfill(4)",
    "weekday()",
    "find('b', 1)",
]
FUNCTIONS = ["len", "abs", "min", "max", "sum", "sorted", "str", "int", "float", "bool", "any", "all", "round", "list"]
FUNCTIONS += ["tuple", "set", "ord", "range", "math.floor", "math.isnan", "isinstance"]
COMPARE = ["<", "<=", ">", ">=", "==", "!=", "in", "not in"]
BINARY = ["+", "-", "*", "/", "//", "%", "**", "<<", ">>", "&", "|", "^"]

atoms = st.one_of(
    st.sampled_from(FIELDS).map(lambda name: f"o.{name}"),
    st.sampled_from(FIELDS).map(lambda name: f"o.{name}"),
    st.sampled_from(
        ["o.address.city", "o.address.lines", "o.address.label()", "o.point.x", "o.address.none", "o.total()"]
    ),
    st.sampled_from(["getattr(o, 'missing', 3)", "getattr(o, 'count')", "hasattr(o, 'size')", "hasattr(o, 'kind')"]),
    st.sampled_from(LITERALS),
)


def extend(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(COMPARE), inner).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        st.tuples(inner, st.sampled_from(COMPARE), inner).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        st.tuples(inner, st.sampled_from(COMPARE), inner, st.sampled_from(COMPARE), inner).map(
            lambda p: f"({p[0]} {p[1]} {p[2]} {p[3]} {p[4]})"
        ),
        st.tuples(inner, st.sampled_from(["is", "is not"]), st.sampled_from(["None", "True", "False"])).map(
            lambda p: f"({p[0]} {p[1]} {p[2]})"
        ),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        st.lists(inner, min_size=3, max_size=4).map(lambda p: "(" + " and ".join(p) + ")"),
        st.tuples(inner, st.sampled_from(BINARY), inner).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        st.tuples(st.sampled_from(["not ", "-", "+", "~"]), inner).map(lambda p: f"({p[0]}{p[1]})"),
        st.tuples(inner, inner, inner).map(lambda p: f"({p[0]} if {p[1]} else {p[2]})"),
        st.tuples(inner, inner).map(lambda p: f"{p[0]}[{p[1]}]"),
        st.tuples(inner, st.sampled_from(["[:1]", "[1:]", "[::-1]", "[-1]"])).map(lambda p: f"{p[0]}{p[1]}"),
        st.tuples(inner, st.sampled_from(METHODS)).map(lambda p: f"({p[0]}).{p[1]}"),
        st.tuples(st.sampled_from(FUNCTIONS), inner).map(_called),
        st.tuples(inner, st.sampled_from(["year", "days", "hex", "real", "uuid", "city", "nothing"])).map(
            lambda p: f"({p[0]}).{p[1]}"
        ),
        inner.map(lambda p: p if "f'" in p else "f'<{ " + p.replace("'", '"') + "}>'"),
        st.tuples(inner, inner).map(lambda p: f"[{p[0]}, {p[1]}]"),
    )


def _called(pair: tuple[str, str]) -> str:
    name, argument = pair
    return f"isinstance({argument}, (str, int))" if name == "isinstance" else f"{name}({argument})"


BODIES = st.recursive(atoms, extend, max_leaves=6).filter(lambda text: len(text) < 400)
GIVEN = {"limit": 3, "names": ("box", "a", None)}


def outcome(call: Callable[..., Any], *args: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return bool(call(*args))
        except NeedsCode:
            raise
        except Exception as error:
            return type(error)


def real(text: str) -> Any:
    names: dict[str, Any] = {**MODULES, **GIVEN}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(text, names)


def order(value: Any, end: Any) -> bool | None:
    """Whether value <= end; None where they cannot be compared."""
    try:
        if value != value or end != end:
            return None
        return bool(value <= end)
    except Exception:
        return None


def fits(want: RangeSet, row: Any) -> bool:
    """Whether an index would give this row: by plain comparisons, what has no place always."""
    match want:
        case Everything():
            return True
        case Nothing():
            return False
        case Both(parts):
            return all(fits(part, row) for part in parts)
        case Either(parts):
            return any(fits(part, row) for part in parts)
    assert isinstance(want, Range)
    try:
        value = row.get(want.field)
    except (NeedsCode, AttributeError):
        return True
    if not isinstance(value, int | float | str | bytes | Decimal | date | time | timedelta | UUID | None):
        return True
    if value is None or want.low is None:
        return value is None and want.low is None
    if value != value:
        return True
    low = want.low is ABSENT or order(want.low, value)
    high = want.high is ABSENT or order(value, want.high)
    return bool(low and high)


@settings(max_examples=examples(200), deadline=None, suppress_health_check=list(HealthCheck))
@given(BODIES, ITEMS)
@example("(not (o.price < 3))", Item(price=float("nan"), name="a"))
@example("o.title.startswith('a')", Item(title="a\U0010ffff", name="a"))
@example("(o.color in [o.data])", Item(data=Color.RED, name="a"))
@example("(o.level == 0)", Item(name="a"))
@example("(o.count == 3)", Item(name="a", count=3 + 0j))
def test_predicates_agree_with_the_lambda(body: str, item: Item) -> None:
    text = f"lambda o: {body}"
    predicate = from_text(text, **GIVEN)
    row = row_of(item)
    expected = outcome(real(text), again(item))
    try:
        found = outcome(predicate.test, row)
    except NeedsCode:
        event("needs code")
    else:
        event("told here" if not isinstance(found, type) else "raised here")
        assert found == expected, f"{text} of {item}: {found}, not {expected}"
    if expected is True:
        assert fits(predicate.ranges(), row), f"{text} wants {predicate.ranges()}, which leaves out {item}"


FLAT = st.builds(Item, price=SCALARS, count=SCALARS, title=SCALARS, data=SCALARS, name=TEXTS.filter(bool))
COMPARISONS = st.tuples(
    st.sampled_from(["price", "count", "title", "name", "data"]),
    st.sampled_from([*COMPARE, "startswith"]),
    st.sampled_from(LITERALS) | SCALARS.map(lambda _: "value"),
    st.booleans(),
).map(
    lambda p: (
        f"o.{p[0]}.startswith({p[2]})"
        if p[1] == "startswith"
        else (f"{p[2]} {p[1]} o.{p[0]}" if p[3] else f"o.{p[0]} {p[1]} {p[2]}")
    )
)
JOINED = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        inner.map(lambda p: f"(not {p})"),
        st.tuples(inner, inner, inner).map(lambda p: f"({p[0]} if {p[1]} else {p[2]})"),
    ),
    max_leaves=5,
)


@settings(max_examples=examples(200), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    JOINED, SCALARS, st.builds(Item, price=SCALARS, count=SCALARS, title=SCALARS, data=SCALARS, name=TEXTS.filter(bool))
)
def test_ranges_leave_out_nothing_that_fits(body: str, value: Any, item: Item) -> None:
    text = f"lambda o: {body}"
    predicate = from_text(text, value=value, **GIVEN)
    row = row_of(item)
    if outcome(predicate.test, row) is True:
        assert fits(predicate.ranges(), row), f"{text} wants {predicate.ranges()}, which leaves out {item}"
