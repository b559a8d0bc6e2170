"""The representations of a value by MIME type, as Jupyter's protocol has them (`_repr_html_` and its like). Pure.

A representation that fails is told beside the others: a value is never lost because a part of it is broken.
"""

from __future__ import annotations

import base64
import io
import json
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType

from .table import TABLE, make_table
from .tree import TREE, make_tree

TEXT = "text/plain"
PLOTLY = "application/vnd.plotly.v1+json"
VEGA_LITE = "application/vnd.vegalite.v{}+json"
ERRORS = "application/vnd.emerge.errors+json"
"""Representations that failed: a list of {"name", "message", "traceback"}."""

SHOWN = 100_000  # characters of a plain text
LARGEST = 8_000_000  # characters of a representation

MimeData = dict[str, object]
"""Representations by MIME type: text, base64 of bytes, or JSON data."""

METHODS = {
    "_repr_html_": "text/html",
    "_repr_markdown_": "text/markdown",
    "_repr_svg_": "image/svg+xml",
    "_repr_png_": "image/png",
    "_repr_jpeg_": "image/jpeg",
    "_repr_latex_": "text/latex",
    "_repr_json_": "application/json",
}


@dataclass(slots=True)
class MimeBundle:
    """What a value is shown as; `metadata` is by MIME type, too."""

    data: MimeData = field(default_factory=dict)
    metadata: MimeData = field(default_factory=dict)
    errors: list[dict[str, str]] = field(default_factory=list)

    def add(self, mime: str, value: object, metadata: object = None) -> None:
        """Add one representation, as data that JSON can hold; None is none."""
        if value is None:
            return
        self.data[mime] = _as_json(mime, value)
        if isinstance(metadata, Mapping) and metadata:
            self.metadata[mime] = json.loads(json.dumps(dict(metadata), default=str))

    def fail(self, name: str, error: Exception) -> None:
        self.errors.append(
            {
                "name": name,
                "message": "".join(traceback.format_exception_only(error)).strip(),
                "traceback": "".join(traceback.format_exception(error.with_traceback(_theirs(error)))),
            }
        )

    def finish(self) -> MimeBundle:
        if self.errors:
            self.data[ERRORS] = self.errors
        return self


def make_bundle(value: object) -> MimeBundle:
    """Make all representations of a value. Only what stops a cell (KeyboardInterrupt and its like) is raised."""
    bundle = MimeBundle()
    _attempt(bundle, "repr", lambda: bundle.add(TEXT, show(value)))
    if TEXT not in bundle.data:
        bundle.add(TEXT, f"<{type(value).__qualname__}, whose repr failed>")
    if (chart := chart_of(value)) is not None:
        _attempt(bundle, "the chart", lambda: bundle.add(*chart()))
    elif not isinstance(value, type):
        for name, mime in METHODS.items():
            if callable(getattr(type(value), name, None)):
                _attempt(bundle, name, partial(_add_single, bundle, mime, value, name))
        if callable(getattr(type(value), "_repr_mimebundle_", None)):
            _attempt(bundle, "_repr_mimebundle_", lambda: _add_many(bundle, value))
        _attempt(bundle, "a figure", lambda: bundle.add("image/png", _draw(value)))
    shown = bundle.data.keys() & {*METHODS.values()} and not hasattr(type(value), "to_dict")
    if chart is None and not shown:
        _attempt(bundle, "a table", lambda: bundle.add(TABLE, make_table(value)))
        if TABLE not in bundle.data:
            _attempt(bundle, "a tree", lambda: bundle.add(TREE, make_tree(value, str(bundle.data[TEXT]))))
    return bundle.finish()


def raw_bundle(data: Mapping[str, object], metadata: Mapping[str, object] | None = None) -> MimeBundle:
    """Make the bundle of data that is representations already."""
    bundle = MimeBundle()
    for mime, value in data.items():
        _attempt(bundle, mime, partial(bundle.add, mime, value, (metadata or {}).get(mime)))
    return bundle.finish()


def chart_of(value: object) -> Callable[[], tuple[str, object]] | None:
    """What makes the data of a chart of plotly or altair, which as HTML fetch their scripts from other hosts."""
    for base in type(value).__mro__:
        package = base.__module__.partition(".")[0]
        if package == "plotly" and base.__name__ == "BaseFigure":
            return lambda: (PLOTLY, json.loads(value.to_json()))  # type: ignore[attr-defined]  # the line above looked
        if package == "altair" and base.__name__ == "TopLevelMixin":
            return lambda: _vega_lite(value.to_dict())  # type: ignore[attr-defined]
    return None


def show(value: object) -> str:
    """Return the repr of a value, cut at a limit."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text):,} characters)"


def _attempt(bundle: MimeBundle, name: str, make: Callable[[], object]) -> None:
    try:
        make()
    except Exception as error:  # whatever the user's code raises
        bundle.fail(name, error)


def _add_single(bundle: MimeBundle, mime: str, value: object, name: str) -> None:
    """Add what a method returns: a representation, or a pair of it and its metadata."""
    found = getattr(value, name)()
    if isinstance(found, tuple) and len(found) == 2:
        bundle.add(mime, found[0], found[1])
    else:
        bundle.add(mime, found)


def _add_many(bundle: MimeBundle, value: object) -> None:
    found = value._repr_mimebundle_(include=None, exclude=None)  # type: ignore[attr-defined]  # the caller found it
    data, metadata = found if isinstance(found, tuple) else (found, {})
    if data is None:
        return
    if not isinstance(data, Mapping):
        raise TypeError(f"_repr_mimebundle_ returned {type(data).__name__}, not a dict by MIME type")
    for mime, each in data.items():
        described = metadata.get(mime) if isinstance(metadata, Mapping) else None
        _attempt(bundle, f"_repr_mimebundle_ ({mime})", partial(bundle.add, str(mime), each, described))


def _as_json(mime: str, value: object) -> object:
    """The form that travels. Raises TypeError or ValueError, which name the type, for what is none."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        if mime.startswith("text/") or mime == "image/svg+xml":
            value = bytes(value).decode()
        else:
            value = base64.b64encode(value).decode()
    elif not mime.endswith("json") and not isinstance(value, str):
        raise TypeError(f"{mime} is text or bytes, not {type(value).__name__}")
    text = value if isinstance(value, str) else json.dumps(value, allow_nan=False)
    if len(text) > LARGEST:
        raise ValueError(f"{mime} has {len(text):,} characters; {LARGEST:,} are shown at most")
    return value if isinstance(value, str) else json.loads(text)


def _vega_lite(chart: dict[str, object]) -> tuple[str, object]:
    version = re.search(r"/vega-lite/v(\d+)", str(chart.get("$schema")))
    return VEGA_LITE.format(version[1] if version else 5), chart


def _draw(value: object) -> bytes | None:
    """A matplotlib figure as a picture: it has no representation of its own outside of IPython."""
    if type(value).__name__ != "Figure" or not type(value).__module__.startswith("matplotlib."):
        return None
    file = io.BytesIO()
    value.savefig(file, format="png", bbox_inches="tight")  # type: ignore[attr-defined]  # the caller found it
    return file.getvalue()


def _theirs(error: Exception) -> TracebackType | None:
    """The traceback without the frames of this module."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__ and trace.tb_next is not None:
        trace = trace.tb_next
    return trace
