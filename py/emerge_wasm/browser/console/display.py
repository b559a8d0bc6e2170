"""`display`, `update_display` and `clear_output` as cells have them: what they show goes to the console's `Screen`.

Without one (a script on CPython) `display` prints.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Mapping
from typing import Protocol

from .mime import ERRORS, TEXT, MimeBundle, chart_of, make_bundle, raw_bundle

MOST = 1_000  # displays of one cell
VOLUME = 30_000_000  # characters of the displays of one cell


class Screen(Protocol):
    """Where a cell's outputs are shown."""

    def show(self, bundle: MimeBundle, id: str, update: bool) -> object: ...

    def clear(self, wait: bool) -> object: ...


_screen: Screen | None = None
_numbers = itertools.count(1)


def use_screen(screen: Screen | None) -> None:
    """Show what is displayed from now on there."""
    global _screen
    _screen = screen


class DisplayHandle:
    """A display that can be replaced: `handle.update(value)`."""

    def __init__(self, display_id: str | None = None) -> None:
        self.display_id = display_id or f"display-{next(_numbers)}"

    def display(self, obj: object, **options: object) -> None:
        display(obj, display_id=self.display_id, **options)  # type: ignore[arg-type]  # passed on as they came

    def update(self, obj: object, **options: object) -> None:
        update_display(obj, display_id=self.display_id, **options)

    def __repr__(self) -> str:
        return f"<DisplayHandle {self.display_id}>"


def display(
    *objs: object,
    include: object = None,
    exclude: object = None,
    metadata: Mapping[str, object] | None = None,
    transient: object = None,
    display_id: str | bool | None = None,
    raw: bool = False,
    clear: bool = False,
    update: bool = False,
    **options: object,
) -> DisplayHandle | None:
    """Show values in the output of the cell, each by its richest representation.

    `raw`: they are dicts of representations by MIME type. With a `display_id` (or True for a new one) the handle is
    returned, by which the display can be replaced. `include` and `exclude` leave out MIME types.
    """
    handle = None if not display_id else DisplayHandle(display_id if isinstance(display_id, str) else None)
    if clear:
        clear_output(wait=True)
    for obj in objs:
        if not raw and shows_itself(obj):
            obj._ipython_display_()  # type: ignore[attr-defined]  # the caller found it
            continue
        bundle = raw_bundle(obj, metadata) if raw and isinstance(obj, Mapping) else make_bundle(obj)
        _filter(bundle, include, exclude)
        _send(bundle, handle.display_id if handle else "", update)
    return handle


def shows_itself(obj: object) -> bool:
    """Whether a value calls `display` itself, in its `_ipython_display_`."""
    if isinstance(obj, type) or chart_of(obj) is not None:
        return False
    return callable(getattr(type(obj), "_ipython_display_", None))


def update_display(obj: object, *, display_id: str, **options: object) -> None:
    """Replace what was displayed with this id, wherever that was."""
    display(obj, display_id=display_id, update=True, **options)  # type: ignore[arg-type]  # passed on as they came


def clear_output(wait: bool = False) -> None:
    """Remove the cell's outputs; `wait`: when the next one comes."""
    if _screen is not None:
        _screen.clear(wait)


def _send(bundle: MimeBundle, id: str, update: bool) -> None:
    if _screen is not None:
        _screen.show(bundle, id, update)
    else:
        sys.stdout.write(f"{bundle.data.get(TEXT, '')}\n")


def _filter(bundle: MimeBundle, include: object, exclude: object) -> None:
    for mime in list(bundle.data):
        if mime in (TEXT, ERRORS):
            continue
        if (isinstance(include, (list, tuple, set)) and mime not in include) or (
            isinstance(exclude, (list, tuple, set)) and mime in exclude
        ):
            del bundle.data[mime]


class CellScreen:
    """The screen of the cell that runs now, within limits. `flush` sends what was printed before.

    `send` is called with (bundle, id, update), `wipe` with (wait).
    """

    def __init__(
        self,
        send: Callable[[MimeBundle, str, bool], object],
        wipe: Callable[[bool], object],
        flush: Callable[[], object],
    ) -> None:
        self._send = send
        self._wipe = wipe
        self._flush = flush
        self.begin()

    def begin(self) -> None:
        """A cell begins."""
        self._left = MOST
        self._volume = VOLUME

    def show(self, bundle: MimeBundle, id: str, update: bool) -> None:
        self._flush()
        if update:  # it replaces what was counted
            self._send(bundle, id, True)
            return
        if self._left < 0:
            return
        self._left -= 1
        self._volume -= sum(len(value) if isinstance(value, str) else 1_000 for value in bundle.data.values())
        if self._left < 0 or self._volume < 0:
            self._left = -1
            bundle, id = MimeBundle({TEXT: "… cut here: this cell displayed too much"}), ""
        self._send(bundle, id, False)

    def clear(self, wait: bool) -> None:
        self._flush()
        self._left, self._volume = MOST, VOLUME
        self._wipe(wait)
