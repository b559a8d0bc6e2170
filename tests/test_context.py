"""What a call asks for arrives, whichever way it goes: through a node that forwards it, and a relay's callers."""

from __future__ import annotations

from dataclasses import fields, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm.context import ASKED, Clock, Context, RunOwner, asker, payer, queue_of
from emerge_wasm.node.forward import read_context, write_context
from emerge_wasm.relay.rest import context_of
from emerge_wasm.relay.session import OPERATOR, RelayCaller
from emerge_wasm.relay.token import Token

from .scale import examples

TEXTS = st.text(max_size=20)
ASKING = st.fixed_dictionaries(
    {
        "umask": st.integers(0, 0o777),
        "transaction": TEXTS,
        "clock": st.none() | st.builds(Clock, st.integers(0, 1 << 60), st.sampled_from(["UTC", "Europe/Berlin"])),
        "max_age": st.floats(0, 86_400),
        "call_id": TEXTS,
        "call_note": st.binary(max_size=20),
        "cause": TEXTS,
        "rights": st.sampled_from(["", "caller"]),
        "owners": st.just(()) | st.just((RunOwner("ben"), RunOwner("carl", "crew"))),
    }
)


def test_all_that_a_caller_may_ask_is_known() -> None:
    assert set(ASKED) == {each.name for each in fields(Context)} - {
        *("principal", "groups", "superuser", "via"),
        *("runs", "held", "part"),
    }


@given(ASKING)
@settings(max_examples=examples(60))
def test_what_a_call_asks_for_arrives(asking: dict[str, object]) -> None:
    anna = Context("anna", ("farmers",))
    asked = replace(anna, **asking)  # type: ignore[arg-type]  # as ASKING has it
    assert anna.narrowed(asked.asked()) == asked
    assert read_context(write_context(asked)) == replace(asked, via="cluster", max_age=0.0)
    assert ("superuser" in write_context(asked)) != bool(asked.owners), "an older node refuses who is not one nor not"
    superuser = Context(superuser=True)
    assert superuser.narrowed(context_of(asked)) == asked
    caller = RelayCaller(Token("1", "anna", ("farmers",), "", 0))
    assert superuser.narrowed(caller.stamp(asked.asked())) == asked
    if not asked.owners:  # a superuser's run is made in its owner's name
        told = superuser.narrowed(OPERATOR.stamp(asked.asked()))
        assert told == replace(superuser, **asking)  # type: ignore[arg-type]


@given(st.text(st.characters(exclude_characters="\0"), max_size=9), st.lists(TEXTS, max_size=3), st.booleans())
def test_who_pays_is_the_principal_whatever_a_token_gives(principal: str, groups: list[str], superuser: bool) -> None:
    context = Context(principal, tuple(groups), superuser=superuser)
    assert payer(context) == queue_of(asker(context))


@given(ASKING, st.none() | TEXTS, st.lists(TEXTS, max_size=3), TEXTS)
def test_a_superuser_is_made_another_and_nothing_else_changes(
    asking: dict[str, object], who: str | None, groups: list[str], principal: str
) -> None:
    clock, _ = asking.pop("clock"), asking.pop("owners")
    wanted = {**asking, **({"clock": clock.wire()} if isinstance(clock, Clock) else {})}
    wanted |= {} if who is None else {"as": who, "groups": groups}
    made = Context(principal, ("own",), superuser=True, via="key").narrowed(wanted)
    expected = Context(principal, ("own",), superuser=True, via="key", clock=clock, **asking)  # type: ignore[arg-type]
    if who is not None:
        expected = replace(expected, principal=who, groups=tuple(groups), superuser=False)
    assert made == expected
