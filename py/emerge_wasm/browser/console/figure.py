"""The matplotlib backend of cells, in which figures show by themselves.

matplotlib imports this module when it is used; nothing of ours does before that.
"""

from __future__ import annotations

import os
import sys

from .display import display

BACKEND = f"module://{__name__}"


def use_backend() -> None:
    """Have matplotlib, if somebody imports it, draw into cells."""
    os.environ.setdefault("MPLBACKEND", BACKEND)


def show_figures() -> None:
    """Display the open figures and close them; called after each cell, too."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None:
        return
    try:
        try:
            for number in pyplot.get_fignums():
                display(pyplot.figure(number))
        finally:
            pyplot.close("all")
    except Exception as error:  # half of it was imported, perhaps: the cell has errors of its own to tell
        sys.stderr.write(f"matplotlib cannot show its figures: {type(error).__name__}: {error}\n")


def show(*args: object, **options: object) -> None:
    """`pyplot.show()`."""
    show_figures()


def __getattr__(name: str) -> object:
    """The classes that matplotlib looks for in its backend: those that draw pixels."""
    if name in ("FigureCanvas", "FigureManager", "FigureCanvasAgg"):
        from matplotlib.backend_bases import FigureManagerBase  # type: ignore[import-not-found,unused-ignore]
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # type: ignore[import-not-found,unused-ignore]

        return FigureManagerBase if name == "FigureManager" else FigureCanvasAgg
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
