"""Values of one object as texts that people edit, and back: exactly, or with the part that cannot be text named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ...bundles import ClassForms, FieldForm
from ...codec import Record, RecordClass, encode, read_literal, show
from ...codec.graph import parts_of
from ...codec.literal import Classes
from ...errors import EmergeError, Invalid


class ValueText:
    """Shows and reads the values of one object; texts name the classes that its class knows and its state holds."""

    def __init__(self, forms: ClassForms, state: Mapping[str, object]) -> None:
        declared = {form.name: _class_of(form) for form in forms.forms.values() if form.bundle}
        stored = _stored(state.values())
        self.enums = frozenset((each.name, each.bundle) for each in declared.values() if each.members)
        alike = {name: each._replace(fields=None) for name, each in declared.items()}
        # what the class says comes first; then what an older version of a class within left in the state
        self.ways: list[Classes] = [{**stored, **declared}, {**stored, **alike}, {**declared, **stored}]
        self.bundles = forms.bundles

    def show(self, value: object) -> str:
        return show(value, self.enums)

    def way(self, value: object, text: str) -> Classes | None:
        """Return the classes with which a value's text reads back as the very same value; None if none does."""
        try:
            wanted = encode(value)
        except EmergeError:
            return None
        for classes in self.ways:
            try:
                if encode(read_literal(text, classes)) == wanted:
                    return classes
            except EmergeError:
                pass
        return None

    def read(self, text: str, before: object = None) -> object:
        """Read a text that was made of a value, and edited.

        Raises:
            Invalid: it is no value.
        """
        way = None
        if type(before) not in _PLAIN:
            shown = self.show(before)
            way = self.way(before, shown)
        return read_literal(text, way or self.ways[0])

    def why_not(self, value: object, place: str = "") -> str:
        """Tell which part of a value has no text that reads back as it is."""
        for step, part in _steps(value):
            if type(part) not in _PLAIN and self.way(part, self.show(part)) is None:
                return self.why_not(part, f"{place}{step}")
        what = value.class_name if isinstance(value, Record) else type(value).__name__
        held = "parts that are shared: the same one in several places" if _steps_in(value) else "no text of its own"
        return f"{place + ' is' if place else 'It is'} a {what} with {held}"


_PLAIN = frozenset({type(None), bool, int, float, str, bytes})


def _steps(value: object) -> Iterator[tuple[str, object]]:
    for step, part in parts_of(value):
        if isinstance(value, Record):
            yield f".{step}", part
        elif step is not None:
            yield f"[{step!r}]", part


def _steps_in(value: object) -> bool:
    return any(True for _ in _steps(value))


def _class_of(form: FieldForm) -> RecordClass:
    if form.kind == "choice":
        members = frozenset(text.rpartition(".")[2] for text in form.choices)
        return RecordClass(form.name, form.bundle, None, members)
    return RecordClass(form.name, form.bundle, tuple((row.name, row.default) for row in form.fields))


def _stored(values: Iterable[object]) -> dict[str, RecordClass]:
    """Return the classes of the records in a state, without their fields; of several with one name, none."""
    found: dict[str, RecordClass | None] = {}
    met: set[int] = set()
    pending = list(values)
    while pending:
        value = pending.pop()
        if type(value) in _PLAIN or id(value) in met:
            continue
        met.add(id(value))
        if isinstance(value, Record):
            each = RecordClass(value.class_name, value.bundle)
            found[each.name] = each if found.get(each.name, each) == each else None
        pending += [part for _, part in parts_of(value)]
    return {name: each for name, each in found.items() if each is not None}


def shorten(error: Invalid, name: str) -> Invalid:
    """Return the error of a field's text, which names the field."""
    return Invalid(f"{name}: {error.message}", remedy=error.remedy)
