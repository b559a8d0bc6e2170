"""What cells have beside Python's own names, whatever filesystem they use."""

from __future__ import annotations

from .display import Screen, clear_output, display, update_display, use_screen
from .figure import use_backend
from .rich import offer


def prepare_names(namespace: dict[str, object], screen: Screen) -> None:
    """Define them, and show on this screen."""
    use_screen(screen)
    use_backend()
    offer()
    namespace.update(display=display, update_display=update_display, clear_output=clear_output)
