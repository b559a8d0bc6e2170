"""Charts of plotly and altair as the data that they are: as pages they would fetch scripts from other hosts.

The page draws a figure of plotly with the script that plotly's own package has. Nothing here imports either.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Protocol

from .display import display
from .mime import PLOTLY, MimeBundle

RENDERERS = "plotly.io._renderers"
SCRIPT = Path("package_data", "plotly.min.js")


class ScriptSender(Protocol):
    """Is given a package's name and its script."""

    def __call__(self, name: str, text: str, /) -> object: ...


class ChartScript:
    """The script that draws plotly's figures, told once by `send`."""

    def __init__(self, send: ScriptSender) -> None:
        self._send = send
        self._told = False

    def tell(self, bundle: MimeBundle) -> None:
        """Tell it, if this bundle is the first figure."""
        plotly = sys.modules.get("plotly")
        if self._told or PLOTLY not in bundle.data or plotly is None or plotly.__file__ is None:
            return
        self._told = True
        script = Path(plotly.__file__).parent / SCRIPT
        if script.exists():
            self._send("plotly", script.read_text("utf-8"))


class ChartFinder(MetaPathFinder):
    """Gives plotly, when it is imported, a renderer that displays in cells: `figure.show()` would open a server."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != RENDERERS:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _Renderers(spec.loader)
        return spec

    def install(self) -> None:
        sys.meta_path.insert(0, self)


class _Renderers(Loader):
    def __init__(self, plain: Loader) -> None:
        self._plain = plain

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._plain.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._plain.exec_module(module)
        from plotly.io.base_renderers import ExternalRenderer  # type: ignore[import-not-found,unused-ignore]

        class CellRenderer(ExternalRenderer):  # type: ignore[misc,unused-ignore]  # plotly has no types
            def render(self, fig_dict: dict[str, object]) -> None:
                from plotly.io.json import to_json_plotly  # type: ignore[import-not-found,unused-ignore]

                display({PLOTLY: json.loads(to_json_plotly(fig_dict))}, raw=True)

        module.renderers["emerge"] = CellRenderer()
        module.renderers.default = "emerge"
