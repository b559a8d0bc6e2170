"""What cells import from `IPython.display`: values with one representation, and the functions of `display`.

Stands in for that module (`offer`), of which nothing else is here; an installed IPython comes first.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import sys
from pathlib import Path

from .display import DisplayHandle, clear_output, display, update_display

__all__ = [
    "HTML",
    "JSON",
    "SVG",
    "Code",
    "DisplayHandle",
    "DisplayObject",
    "Image",
    "Latex",
    "Markdown",
    "Math",
    "Pretty",
    "clear_output",
    "display",
    "update_display",
]


class DisplayObject:
    """Text or bytes of one MIME type; `filename` reads them from a file. Nothing is fetched from a `url`."""

    mime = "text/plain"

    def __init__(
        self, data: object = None, url: str | None = None, filename: str | None = None, metadata: object = None
    ) -> None:
        if url is not None or (isinstance(data, str) and data.startswith(("http://", "https://"))):
            raise ValueError(f"{type(self).__name__} fetches nothing: give it the data itself")
        self.data = self._read(filename) if filename is not None else data
        self.metadata = metadata

    def _read(self, filename: str) -> object:
        return Path(filename).read_text()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        return {self.mime: self.data}

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class HTML(DisplayObject):
    mime = "text/html"

    def __html__(self) -> str:
        return str(self.data)


class Markdown(DisplayObject):
    mime = "text/markdown"


class Latex(DisplayObject):
    mime = "text/latex"


class Math(Latex):
    """A formula without its `$` signs."""

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        return {self.mime: f"$\\displaystyle {str(self.data).strip('$')}$"}


class SVG(DisplayObject):
    mime = "image/svg+xml"


class Pretty(DisplayObject):
    """Plain text, as it is."""

    def __repr__(self) -> str:
        return str(self.data)


class Code(DisplayObject):
    """Source text, shown as it is."""

    def __init__(self, data: object = None, language: str | None = None, **options: object) -> None:
        super().__init__(data, **options)  # type: ignore[arg-type]  # passed on as they came
        self.language = language or ""

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        fence = "`" * 4
        return {"text/markdown": f"{fence}{self.language}\n{self.data}\n{fence}"}

    def __repr__(self) -> str:
        return str(self.data)


class JSON(DisplayObject):
    """Data, shown as a tree."""

    mime = "application/json"

    def __init__(self, data: object = None, expanded: bool = False, root: str = "root", **options: object) -> None:
        super().__init__(json.loads(data) if isinstance(data, (str, bytes)) else data, **options)  # type: ignore[arg-type]  # passed on as they came
        self.expanded = expanded
        self.root = root


class Image(DisplayObject):
    """A picture from its bytes (or their base64), or a file; PNG, JPEG, GIF, WebP and SVG are recognized."""

    def __init__(
        self,
        data: object = None,
        url: str | None = None,
        filename: str | None = None,
        format: str | None = None,
        width: int | None = None,
        height: int | None = None,
        alt: str | None = None,
        **options: object,
    ) -> None:
        super().__init__(data, url, filename)
        self.width, self.height, self.alt = width, height, alt
        if isinstance(self.data, str) and not self.data.lstrip().startswith("<"):
            self.data = base64.b64decode(self.data)
        self.mime = f"image/{(format or '').lower().replace('jpg', 'jpeg')}" if format else kind_of(self.data)

    def _read(self, filename: str) -> object:
        return Path(filename).read_bytes()

    def _repr_mimebundle_(  # type: ignore[override]  # a pair: the size goes into the metadata
        self, include: object = None, exclude: object = None
    ) -> tuple[dict[str, object], dict[str, object]]:
        given = {"width": self.width, "height": self.height, "alt": self.alt}
        return {self.mime: self.data}, {self.mime: {name: value for name, value in given.items() if value is not None}}


STARTS = {b"\x89PNG": "image/png", b"\xff\xd8": "image/jpeg", b"GIF8": "image/gif", b"RIFF": "image/webp"}


def kind_of(data: object) -> str:
    """The MIME type of a picture by its first bytes."""
    if isinstance(data, str) or (isinstance(data, bytes) and data.lstrip()[:1] == b"<"):
        return "image/svg+xml"
    if isinstance(data, (bytes, bytearray)):
        for start, mime in STARTS.items():
            if data.startswith(start):
                return mime
    raise ValueError("this is no PNG, JPEG, GIF, WebP or SVG: give its format")


def offer() -> None:
    """Let cells import from `IPython.display`, where there is no IPython."""
    if importlib.util.find_spec("IPython") is None:
        sys.modules.setdefault("IPython.display", sys.modules[__name__])
