"""Refuse a class that derives from a dataclass and declares fields, but is none itself: its fields would be lost."""

from __future__ import annotations

import ast
from dataclasses import is_dataclass

from ..errors import CannotShip


def check_decorator(cls: type, node: ast.ClassDef) -> None:
    """Refuse a class whose `@dataclass` was forgotten. One with an `__init__` of its own sets what it declares.

    Raises:
        CannotShip: it declares fields that no instance has.
    """
    own = vars(cls)
    if not is_dataclass(cls) or "__dataclass_fields__" in own or "__init__" in own:
        return
    lost = [name for name in map(_field, node.body) if name and name not in cls.__dataclass_fields__]
    if lost:
        raise CannotShip(
            f"the class {cls.__name__} declares {', '.join(lost[:5])}, but is not a dataclass as its base is",
            remedy="write @dataclass above it",
            field=lost[0],
        )


def _field(item: ast.stmt) -> str:
    """Return the name of the field that a statement declares, "" for any other."""
    if not isinstance(item, ast.AnnAssign) or not isinstance(item.target, ast.Name):
        return ""
    return "" if "ClassVar" in ast.unparse(item.annotation) else item.target.id
