"""What a value is shown as: every representation that works, an account of those that do not, and never nothing."""

from __future__ import annotations

import base64
import json
import sys
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emerge_wasm import EmergeFile
from emerge_wasm.browser.console.cell import Console
from emerge_wasm.browser.console.display import CellScreen, clear_output, display, update_display, use_screen
from emerge_wasm.browser.console.figure import show_figures
from emerge_wasm.browser.console.mime import ERRORS, METHODS, PLOTLY, TEXT, MimeBundle, make_bundle
from emerge_wasm.browser.console.rich import HTML, JSON, SVG, Image, Markdown, Math
from emerge_wasm.browser.console.table import ROWS, TABLE
from emerge_wasm.browser.console.tree import TREE
from emerge_wasm.objects import Pointer

GOOD: dict[str, object] = {
    "text/html": "<b>x</b>",
    "text/markdown": "*x*",
    "image/svg+xml": "<svg/>",
    "image/png": b"\x89PNG",
    "image/jpeg": b"\xff\xd8",
    "text/latex": "$x$",
    "application/json": {"x": [1, None]},
}
ODD = st.one_of(
    st.sampled_from(["good", "raises", "none", "pair"]),
    st.just("odd"),
)


def make(behaviour: dict[str, str]) -> object:
    """An instance of a class whose representations behave so."""

    def method(mime: str, how: str) -> object:
        def give(self: object) -> object:
            if how == "raises":
                raise RuntimeError(f"no {mime}")
            return {"good": GOOD[mime], "none": None, "pair": (GOOD[mime], {"width": 3}), "odd": object()}[how]

        return give

    members = {name: method(METHODS[name], how) for name, how in behaviour.items() if name in METHODS}
    if "__repr__" in behaviour:
        members["__repr__"] = method("text/html", behaviour["__repr__"])
    return type("Shown", (), members)()


@given(st.dictionaries(st.sampled_from([*METHODS, "__repr__"]), ODD))
def test_what_works_is_shown_and_what_does_not_is_told(behaviour: dict[str, str]) -> None:
    bundle = make_bundle(make(behaviour))
    json.dumps(bundle.data, allow_nan=False)
    assert isinstance(bundle.data[TEXT], str) and bundle.data[TEXT]
    told = {row["name"] for row in bundle.errors}
    for name, how in behaviour.items():
        if name == "__repr__":
            assert ("repr" in told) is (how != "good")
            continue
        mime = METHODS[name]
        assert (mime in bundle.data) is (how in ("good", "pair")), how
        assert (name in told) is (how in ("raises", "odd")), how
        assert (bundle.metadata.get(mime) == {"width": 3}) is (how == "pair")
    assert (ERRORS in bundle.data) is bool(told)


def test_bytes_travel_as_base64_and_errors_lead_to_the_line() -> None:
    class Half:
        def _repr_png_(self) -> bytes:
            return b"\x89PNG"

        def _repr_html_(self) -> str:
            return 1 / 0  # type: ignore[return-value]

    data = make_bundle(Half()).data
    assert base64.b64decode(str(data["image/png"])) == b"\x89PNG"
    (error,) = data[ERRORS]  # type: ignore[misc, attr-defined]
    assert error["message"] == "ZeroDivisionError: division by zero"
    assert "1 / 0" in error["traceback"] and "/mime.py" not in error["traceback"]


def test_a_bundle_of_ones_own_goes_with_the_single_ones() -> None:
    class Both:
        def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> object:
            return {"text/html": "<i>", "application/x": object(), "text/plain": "own"}, {"text/html": {"a": 1}}

        def _repr_latex_(self) -> str:
            return "$x$"

    bundle = make_bundle(Both())
    assert bundle.data["text/html"] == "<i>" and bundle.data["text/latex"] == "$x$" and bundle.data[TEXT] == "own"
    assert bundle.metadata == {"text/html": {"a": 1}}
    assert [row["name"] for row in bundle.errors] == ["_repr_mimebundle_ (application/x)"]
    assert make_bundle(Both).data.keys() == {TEXT}  # the class itself is no value of it


@dataclass
class Line:
    price: float
    tags: list[str] = field(default_factory=list)
    secret: str = field(default="s", repr=False)


@dataclass
class Item(EmergeFile):
    price: float = 0.0


def point(name: str) -> Pointer:
    return Pointer("u", name, "/stock", "file", "Item", "", "rwx", "me", "", 9, 2, "r", "2026-01-01", "n1")


class Frame:
    """A data frame as far as its protocol goes; pandas is not here."""

    def __init__(self, columns: list[str], rows: list[list[object]]) -> None:
        self.columns, self.rows = columns, rows
        self.index = SimpleNamespace(names=["day"])

    def __len__(self) -> int:
        return len(self.rows)

    def head(self, count: int) -> Frame:
        return Frame(self.columns, self.rows[:count])

    def to_dict(self, orient: str) -> dict[str, object]:
        assert orient == "split"
        return {"index": list(range(len(self.rows))), "columns": self.columns, "data": self.rows}

    def _repr_html_(self) -> str:
        return "<table>"


TABLES: list[tuple[object, list[str], list[object]]] = [
    (point("a"), ["name", "path", "class_name", "version", "date", "size", "owner", "node"], ["a", "/stock"]),
    ([point("a"), point("b")], ["name", "path"], ["a", "/stock", "Item", 2]),
    ([{"a": 1}, {"b": None, "a": 2.5}], ["a", "b"], [1, None]),
    ([Line(1.5, ["x"], "s")], ["price", "tags"], [1.5, "['x']"]),
    ([Item(name="bolt", path="/stock", price=0.5)], ["name", "path", "price"], ["bolt", "/stock", 0.5]),
    (Frame(["x", "y"], [[1, "a"], [2, "b"]]), ["day", "x", "y"], [0, 1, "a"]),
    ([{"n": 1 << 60, "f": float("nan"), "t": "é" * 999}], ["n", "f", "t"], [str(1 << 60), "nan", "é" * 400 + "…"]),
]


@pytest.mark.parametrize(("value", "columns", "first"), TABLES)
def test_rows_are_a_table(value: object, columns: list[str], first: list[object]) -> None:
    table = make_bundle(value).data[TABLE]
    assert isinstance(table, dict)
    assert table["columns"][: len(columns)] == columns
    assert table["rows"][0][: len(first)] == first
    assert len(table["links"]) == len(table["rows"])


def test_a_table_is_cut_and_says_so() -> None:
    table = make_bundle([{f"c{n}": n for n in range(100)}] * (ROWS + 5)).data[TABLE]
    assert isinstance(table, dict)
    assert (table["total"], table["dropped"], len(table["columns"])) == (ROWS + 5, 40, 60)
    assert len(table["rows"]) * 60 <= 200_000


NESTED = st.recursive(
    st.none() | st.integers() | st.text() | st.floats(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner),
    max_leaves=40,
)


@given(NESTED)
def test_any_nested_data_is_text_or_table_or_tree(value: object) -> None:
    data = make_bundle(value).data
    json.dumps(data, allow_nan=False)
    assert data[TEXT] == repr(value) and ERRORS not in data
    if TREE in data:
        assert len(repr(value)) > 100 and TABLE not in data


def test_a_tree_of_an_instance_has_what_its_repr_has_and_no_unused_metadata() -> None:
    for value, names in [
        (Line(1.5, ["x" * 100]), ["price", "tags"]),
        (Item(name="x" * 100, path="/stock"), ["name", "path", "price"]),
        (Item(name="x" * 100, data={"a": 1}), ["name", "path", "price", "data"]),
    ]:
        tree = make_bundle(value).data[TREE]
        assert isinstance(tree, dict) and [row["key"] for row in tree["children"]] == names


def test_a_tree_has_an_end() -> None:
    circle: list[object] = [list(range(60))]
    circle.append(circle)
    tree = make_bundle(circle).data[TREE]
    assert isinstance(tree, dict) and tree["children"][1] == {"key": "1", "text": repr(circle)}
    wide = make_bundle({"rows": list(range(100_000)), "more": {}}).data[TREE]
    assert isinstance(wide, dict) and wide["children"][0]["count"] == 100_000
    assert len(wide["children"][0]["children"]) < 5_000


Sent = list[tuple[object, ...]]


@pytest.fixture
def sent() -> object:
    rows: Sent = []
    screen = CellScreen(
        lambda bundle, id, update: rows.append((bundle, id, update)),
        lambda wait: rows.append(("clear", wait)),
        lambda: None,
    )
    use_screen(screen)
    yield rows
    use_screen(None)


async def test_a_cell_displays(sent: Sent) -> None:
    code = (
        "from emerge_wasm.browser.console.display import display\nh = display(1, display_id=True)\nh.update(2)\n'end'"
    )
    outcome = await Console({}).run(1, code)
    (first, id, fresh), (second, again, update) = sent  # type: ignore[misc]
    assert isinstance(first, MimeBundle) and isinstance(second, MimeBundle)
    assert (
        (first.data[TEXT], second.data[TEXT]) == ("1", "2") and id == again != "" and (fresh, update) == (False, True)
    )
    assert outcome.text == "'end'"


async def test_a_value_that_shows_itself(sent: Sent) -> None:
    code = "class Own:\n    def _ipython_display_(self): show('mine')\nOwn()"
    assert (await Console({"show": display}).run(1, code)).value is None
    assert [row[0].data[TEXT] for row in sent] == ["'mine'"]  # type: ignore[attr-defined]


async def test_a_broken_repr_is_no_failure_of_the_cell(sent: Sent) -> None:
    outcome = await Console({}).run(1, "class Bad:\n    def __repr__(self): return 1 / 0\nx = 1\nBad()")
    assert outcome.text == "<Bad, whose repr failed>" and outcome.value is not None and outcome.value.errors


def test_clearing_and_limits(sent: Sent) -> None:
    clear_output(wait=True)
    for n in range(2_000):
        display(n)
    update_display("new", display_id="x")
    clear_output()
    display("again")
    assert sent[0] == ("clear", True)
    texts = [row[0].data[TEXT] for row in sent if isinstance(row[0], MimeBundle)]
    assert texts[-3:] == ["… cut here: this cell displayed too much", "'new'", "'again'"] and len(texts) < 1_010


def test_what_is_imported_from_ipython() -> None:
    for value, mime in [
        (HTML("<b>"), "text/html"),
        (SVG("<svg/>"), "image/svg+xml"),
        (Markdown("*a*"), "text/markdown"),
        (Math("x^2"), "text/latex"),
        (JSON({"a": 1}), "application/json"),
        (Image(b"\x89PNG..", width=20), "image/png"),
        (Image(base64.b64encode(b"\xff\xd8..").decode()), "image/jpeg"),
    ]:
        bundle = make_bundle(value)
        assert mime in bundle.data and not bundle.errors
    assert make_bundle(Image(b"\x89PNG..", width=20)).metadata == {"image/png": {"width": 20}}
    for make_one in (lambda: Image("https://example.org/a.png"), lambda: Image(b"?"), lambda: HTML(url="x")):
        with pytest.raises(ValueError, match=r"fetches nothing|format"):
            make_one()


def test_a_matplotlib_that_is_half_there_hides_no_error_of_a_cell(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", ModuleType("matplotlib.pyplot"))  # there for this test alone
    show_figures()
    assert "cannot show its figures" in capsys.readouterr().err


def test_open_figures_show_by_themselves(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a module made up in matplotlib's likeness: the real one is not here."""

    class Figure:
        def savefig(self, file: object, **options: object) -> None:
            file.write(b"\x89PNG figure")  # type: ignore[attr-defined]

    Figure.__module__ = "matplotlib.figure"
    opened = {1: Figure(), 2: Figure()}
    pyplot = ModuleType("matplotlib.pyplot")
    pyplot.__dict__.update(get_fignums=lambda: list(opened), figure=opened.get, close=lambda what: opened.clear())
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", pyplot)  # patched: matplotlib is not installed
    show_figures()
    show_figures()
    assert [base64.b64decode(row[0].data["image/png"]) for row in sent] == [b"\x89PNG figure"] * 2  # type: ignore[attr-defined]


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_charts_are_their_data_and_no_page_that_fetches_scripts(data: object) -> None:
    """By classes in the likeness of plotly's and altair's, which are not here."""
    fetches = "<script src='https://cdn.example/chart.js'></script>"
    page = {"_repr_html_": lambda self: fetches, "_ipython_display_": lambda self: display(HTML(fetches))}
    base = type("BaseFigure", (), {"__module__": "plotly.basedatatypes", **page})
    figure = type("Figure", (base,), {"to_json": lambda self: json.dumps({"data": data})})()
    shown: list[MimeBundle] = []
    use_screen(CellScreen(lambda bundle, id, update: shown.append(bundle), lambda wait: None, lambda: None))
    display(figure)
    use_screen(None)
    assert [set(bundle.data) for bundle in shown] == [{TEXT, PLOTLY}]
    assert shown[0].data[PLOTLY] == {"data": data}
    for schema, mime in (("v6.1.0", "v6"), ("v5.20.1", "v5"), (None, "v5")):
        told = {"$schema": f"https://vega.github.io/schema/vega-lite/{schema}.json"} if schema else {}
        chart = {"mark": data, **told}
        mixin = type("TopLevelMixin", (), {"__module__": "altair.vegalite.v6.api", **page})
        made = make_bundle(type("Chart", (mixin,), {"to_dict": lambda self, chart=chart: chart})())
        assert made.data.keys() == {TEXT, f"application/vnd.vegalite.{mime}+json"}
        assert made.data[f"application/vnd.vegalite.{mime}+json"] == chart
    broken = type("Figure", (base,), {"to_json": lambda self: 1 / 0})()
    assert "ZeroDivisionError" in str(make_bundle(broken).data[ERRORS])
