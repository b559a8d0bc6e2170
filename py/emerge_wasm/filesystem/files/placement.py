"""Which holders each block of a file goes to by its raid level, and whether the level is met.

Holders are chosen by rendezvous hashing, those on machines of their own first. Where there is nobody else, fragments
lie in the one store, where they help against lost and damaged blocks; copies need others. What is `spread` over nodes
is so that losing one of them (two in raid 6) loses no block: no two fragments of one are together.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set

from ...blocks.block import short_name
from ...blocks.layout import DATA_FRAGMENTS, Layout, make_layout
from ...blocks.rendezvous import choose, ranked
from ...errors import Invalid, Unavailable
from .holders import BlockHolder


def fit_layout(text: str, holders: int, *, spread: bool) -> Layout:
    """Read a layout, `raid5 4+1`, or choose its numbers, `raid5`: as many fragments as there are holders for them.

    Raises:
        Invalid: it is none.
        Unavailable: there are too few holders; those that are needed.
    """
    if " " in text:
        return Layout.unpack(text)
    level = text.removeprefix("raid") or "0"
    raid = int(level) if level.isdecimal() else -1
    parity = max(raid - 4, 0)
    if not spread or raid not in (5, 6):
        return make_layout(raid)
    if holders < 2 + parity:
        raise too_few(f"raid {raid}", 2 + parity, holders)
    return make_layout(raid, min(DATA_FRAGMENTS, holders - parity))


def nodes_needed(layout: Layout) -> int:
    """How many nodes hold something of each block."""
    return layout.fragments or (layout.parity + 1 if layout.raid == 1 else 1)


def too_few(what: str, needed: int, there: int) -> Unavailable:
    return Unavailable(
        f"{what} needs {needed} nodes that can take blocks, and there {'is' if there == 1 else 'are'} {there}",
        remedy="start more nodes, or choose another raid level; emerge nodes shows which are away",
        needed=needed,
        there=there,
    )


def assign(
    layout: Layout, names: Sequence[bytes], there: Mapping[bytes, Set[str]], holders: Sequence[BlockHolder]
) -> dict[bytes, list[str]]:
    """Return which filesystems each block is to be sent to, given who has some already. Names that need nothing are
    left out; the fragments of a block stand one after another.

    Raises:
        Unavailable: there are too few holders.
        Invalid: these are not whole blocks.
    """
    hosts = {each.filesystem: each.host or each.filesystem for each in holders}
    width = layout.fragments or 1
    if len(names) % width:
        raise Invalid(f"{len(names)} names are no blocks of {width} fragments", remedy="name all fragments of each")
    found: dict[bytes, list[str]] = {}
    for begin in range(0, len(names), width):
        group = names[begin : begin + width]
        wanted = _assign_fragments(group, there, hosts) if layout.fragments else _assign(layout, group[0], there, hosts)
        found |= {name: whom for name, whom in wanted.items() if whom}
    return found


def _assign(
    layout: Layout, name: bytes, there: Mapping[bytes, Set[str]], hosts: Mapping[str, str]
) -> dict[bytes, list[str]]:
    """Choose holders for the copies of a block."""
    have, needed = there.get(name, set()), nodes_needed(layout)
    order = [each for each in ranked(name, hosts) if each not in have]
    missing = max(needed - len(have), 0)
    if missing > len(order):
        raise too_few(f"raid {layout.raid}", needed, len(order) + len(have))
    return {name: choose(order, hosts, missing, [hosts[each] for each in have if each in hosts])}


def _assign_fragments(
    group: Sequence[bytes], there: Mapping[bytes, Set[str]], hosts: Mapping[str, str]
) -> dict[bytes, list[str]]:
    """Choose a holder for each fragment of a block, each another one."""
    matched = match({name: there.get(name, set()) for name in group})
    used = set(matched.values())
    order = [each for each in ranked(group[0], hosts) if each not in used]
    missing = [name for name in group if name not in matched]
    if len(missing) > len(order):
        raise too_few(f"{len(group)} fragments of a block: this", len(group), len(order) + len(used))
    chosen = choose(order, hosts, len(missing), [hosts[each] for each in used if each in hosts])
    return {name: [holder] for name, holder in zip(missing, chosen, strict=True)}


def match(having: Mapping[bytes, Collection[str]]) -> dict[bytes, str]:
    """Return one holder for each fragment, no holder twice, for as many fragments as can be (a bipartite matching)."""
    by_holder: dict[str, bytes] = {}

    def place(name: bytes, tried: set[str]) -> bool:
        for holder in sorted(having[name]):
            if holder not in tried:
                tried.add(holder)
                if holder not in by_holder or place(by_holder[holder], tried):
                    by_holder[holder] = name
                    return True
        return False

    for name in having:
        place(name, set())
    return {name: holder for holder, name in by_holder.items()}


def check_level(layout: Layout, group: Sequence[bytes], having: Mapping[bytes, Set[str]], path: str) -> None:
    """Check that a block, by the names under which it is kept, is where its level wants it.

    Raises:
        Unavailable: it is not.
    """
    met = len(match(having)) if layout.fragments else min(len(having[name]) for name in group)
    needed = nodes_needed(layout)
    if met < needed:
        raise Unavailable(
            f"{path} is not put: block {short_name(group[0])} is kept by {met} of the {needed} nodes that raid"
            f" {layout.raid} wants",
            path=path,
            remedy="put the file again: what is here still is not sent twice",
            block=group[0].hex(),
        )
