"""Reading from several holders, simulated: a file is got if enough right pieces are there, whatever the holders do."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm.blocks.block import block_name
from emerge_wasm.blocks.holder_record import FIRST_LATE, LIMIT, REQUESTS, TRIES
from emerge_wasm.blocks.piece_picker import REQUEST_BYTES, PiecePicker, PieceRequest, TakenBlock, WantedBlock
from tests.scale import examples

SIZE = 100
"""Bytes of a piece."""


@dataclass
class Holder:
    """A simulated holder. `speed`: seconds of an answer, each for itself, or one after the other where its `link` is
    the limit; it `dies` or `stops` (answering) at a moment; the first `fails` requests to it fail; it sends wrong bytes
    of the pieces in `lies`, and `lacks` some that it should have."""

    speed: float = 0.01
    link: bool = False
    free: float = 0.0  # the link, from this moment on
    dies: float = float("inf")
    stops: float = float("inf")
    fails: int = 0
    refuses: bool = False
    stingy: bool = False  # gives one piece in an answer
    lies: set[int] = field(default_factory=set)
    lacks: set[int] = field(default_factory=set)
    asked: list[list[int]] = field(default_factory=list)

    def has(self, piece: int) -> bool:
        return piece not in self.lies and piece not in self.lacks and not self.refuses

    @property
    def steady(self) -> bool:
        return self.dies == self.stops == float("inf")


def data_of(piece: int) -> bytes:
    return piece.to_bytes(2, "big") * (SIZE // 2)


NAMES = {block_name(data_of(piece)): piece for piece in range(300)}
PIECES = {piece: name for name, piece in NAMES.items()}


@dataclass
class Reader:
    """Reads blocks from simulated holders, in simulated time."""

    holders: dict[str, Holder]
    picker: PiecePicker
    now: float = 0.0
    requests: int = 0
    most: int = 0  # bytes that were here or under way at once
    events: list[tuple[float, int, PieceRequest]] = field(default_factory=list)
    gone: set[int] = field(default_factory=set)
    order: count[int] = field(default_factory=count)

    def read(
        self, blocks: list[WantedBlock], said: dict[bytes, list[str]], late: dict[bytes, list[str]]
    ) -> list[TakenBlock]:
        """`said`: who is said to have what at first; `late`: what a look-up finds beside."""
        wanted, taken, turns = list(blocks), [], 0
        while wanted or self.picker.waiting:
            turns += 1
            assert turns < 20_000, "it does not end"
            while (done := self.picker.take()) is not None:
                taken.append(done)
            while wanted and self.picker.has_room(wanted[0].size):
                block = wanted.pop(0)
                self.picker.want(block, {name: said.get(name, []) for name in block.pieces})
            self._turn(late)
        return taken

    def _turn(self, late: dict[bytes, list[str]]) -> None:
        if lacking := self.picker.lacking():
            self.picker.learn({name: late[name] for name in lacking if name in late}, lacking)
        self.gone.update(self.picker.drop(self.now))
        for request in self.picker.start(self.now):
            self._send(request)
        self.events = [event for event in self.events if event[2].number not in self.gone]
        under_way = sum(len(request.names) * SIZE for _, _, request in self.events)
        here = sum(
            SIZE for block in self.picker._blocks for piece in block.pieces if piece.data
        )  # private: what is kept
        self.most = max(self.most, under_way + here)
        heapq.heapify(self.events)
        wake = self.picker.wake(self.now)
        moment = min(self.events[0][0] if self.events else float("inf"), float("inf") if wake is None else wake)
        if moment == float("inf"):
            return
        self.now = max(self.now, moment)
        if self.events and self.events[0][0] <= self.now:
            self._hear(heapq.heappop(self.events)[2])

    def _send(self, request: PieceRequest) -> None:
        self.requests += 1
        assert self.requests < 100_000, "it does not end"
        holder = self.holders[request.holder]
        holder.asked.append([NAMES[name] for name in request.names])
        done = (max(self.now, holder.free) if holder.link else self.now) + holder.speed * len(request.names)
        holder.free = done
        if holder.stops < done:
            done = min(float("inf"), holder.dies)
        heapq.heappush(self.events, (min(done, max(holder.dies, self.now)), next(self.order), request))

    def _hear(self, request: PieceRequest) -> None:
        holder = self.holders[request.holder]
        if holder.refuses:
            self.picker.fail(request.number, "you may not", self.now, final=True)
        elif self.now >= holder.dies or holder.fails > 0:
            holder.fails -= 1
            self.picker.fail(request.number, "it died", self.now)
        else:
            names = request.names[:1] if holder.stingy else request.names
            numbers = {name: NAMES[name] for name in names}
            found = {
                name: data_of(n ^ 1 if n in holder.lies else n) for name, n in numbers.items() if n not in holder.lacks
            }
            lost = {name: "it is lost" for name in names if name not in found}
            self.picker.answer(request.number, found, lost, self.now)


MOMENTS = st.just(float("inf")) | st.floats(0, 2)
SETS = st.just(set()) | st.sets(st.integers(0, 30))
HOLDERS = st.builds(
    Holder,
    speed=st.sampled_from([0.001, 0.01, 0.3, 3.0]),
    dies=MOMENTS,
    stops=MOMENTS,
    fails=st.integers(0, TRIES - 1),
    refuses=st.sampled_from([False, False, False, True]),
    stingy=st.booleans(),
    lies=SETS,
    lacks=SETS,
)


@settings(max_examples=examples(40), deadline=None)
@given(st.data())
def test_a_file_is_got_if_and_only_if_enough_right_pieces_are_there(data: st.DataObject) -> None:
    holders = {f"h{n}": each for n, each in enumerate(data.draw(st.lists(HOLDERS, min_size=1, max_size=5)))}
    need, parity = data.draw(st.sampled_from([(1, 0), (1, 0), (2, 1), (4, 1), (4, 2)]))
    numbers = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=8))  # some are alike
    blocks = [
        WantedBlock(
            at * SIZE * need, SIZE * need, tuple(PIECES[n * (need + parity) + i] for i in range(need + parity)), need
        )
        for at, n in enumerate(numbers)
    ]
    names = sorted({name for block in blocks for name in block.pieces})
    subsets = st.lists(st.sampled_from([*holders]), unique=True)
    said, late = ({name: data.draw(subsets) for name in names} for _ in range(2))
    window = data.draw(st.sampled_from([1, 3, 10])) * SIZE * need
    reader = Reader(holders, PiecePicker(window, ordered=data.draw(st.booleans())))
    taken = reader.read(blocks, said, late)

    assert sorted(each.block.offset for each in taken) == [block.offset for block in blocks]
    for each in taken:
        may, must = 0, 0
        for name in each.block.pieces:
            who = [holder for holder in {*said[name], *late[name]} if holders[holder].has(NAMES[name])]
            may += bool(who)
            must += any(holders[holder].steady for holder in who)
        assert all(data_of(NAMES[name]) == found for name, found in each.found.items())
        if len(each.found) >= need:
            assert may >= need and not each.missing
        else:
            assert must < need
            assert len({*each.block.pieces} - {*each.missing}) < need
            for name, why in each.missing.items():
                assert not any(holders[who].steady and holders[who].has(NAMES[name]) for who in why)
                assert set(why) == {*said[name], *late[name]} and all(why.values())
    for name in reader.picker.liars:
        assert holders[name].lies
    assert reader.now < 60 + 5 * LIMIT * TRIES
    overhead = (need + parity) / need
    assert reader.most <= max(window, SIZE * need) * overhead + len(holders) * REQUESTS * REQUEST_BYTES


def read_one(holders: dict[str, Holder], count: int = 20, window: int = 10) -> tuple[Reader, list[TakenBlock]]:
    blocks = [WantedBlock(n * SIZE, REQUEST_BYTES, (PIECES[n],)) for n in range(count)]  # each a request of its own
    reader = Reader(holders, PiecePicker(window * REQUEST_BYTES))
    return reader, reader.read(blocks, {name: [*holders] for name in NAMES}, {})


def test_the_faster_gives_more_and_all_give_some() -> None:
    holders = {"slow": Holder(speed=0.05), "fast": Holder(speed=0.01), "middle": Holder(speed=0.02)}
    reader, taken = read_one(holders, 200)
    assert all(each.found for each in taken)
    shares = [len(holders[name].asked) for name in ("fast", "middle", "slow")]
    assert shares == sorted(shares, reverse=True) and shares[-1] > 0
    assert reader.now < 200 * 0.01 / 3


@settings(max_examples=examples(40), deadline=None)
@given(
    st.lists(st.floats(0.02, 3.0), min_size=1, max_size=4),
    st.floats(1.0, 3.0),
)
def test_what_waits_for_a_full_link_is_not_asked_for_twice(speeds: list[float], ratio: float) -> None:
    speeds = [min(speeds) * ratio**n for n in range(len(speeds))]
    holders = {f"h{n}": Holder(speed=speed, link=True) for n, speed in enumerate(speeds)}
    blocks = [WantedBlock(n * SIZE, REQUEST_BYTES // 2, (PIECES[n],)) for n in range(200)]
    reader = Reader(holders, PiecePicker())
    taken = reader.read(blocks, {name: [*holders] for name in NAMES}, {})
    assert all(each.found for each in taken)
    assert reader.requests <= 200 + 2 * REQUESTS * len(holders)
    alone, together = 200 * min(speeds), 200 / sum(1 / speed for speed in speeds)
    assert reader.now < (1.4 * together if ratio < 1.5 else 1.2 * alone) + 2 * REQUESTS * max(speeds)


def test_one_that_stands_still_costs_one_delay_and_one_that_lies_is_left_out() -> None:
    holders = {"still": Holder(stops=0.0), "liar": Holder(lies=set(range(300))), "good": Holder()}
    reader, taken = read_one(holders, 200)
    assert all(each.found for each in taken)
    assert reader.now < 3 * FIRST_LATE + 200 * 0.01
    assert reader.picker.liars == ["liar"]
    assert len(holders["liar"].asked) <= REQUESTS and len(holders["still"].asked) <= 2 * REQUESTS


def test_parity_is_asked_for_only_in_trouble() -> None:
    holders = {f"h{n}": Holder() for n in range(5)}
    blocks = [WantedBlock(n, 4 * SIZE, tuple(PIECES[5 * n + i] for i in range(5)), 4) for n in range(40)]
    said = {PIECES[5 * n + i]: [f"h{i}"] for n in range(40) for i in range(5)}
    reader = Reader(holders, PiecePicker(16 * SIZE))
    assert all(each.found for each in reader.read(blocks, said, {}))
    assert holders["h4"].asked == []
    holders["h2"].dies = 0.05
    reader = Reader(holders, PiecePicker(16 * SIZE))
    assert all(len(each.found) >= 4 for each in reader.read(blocks, said, {}))
    assert 30 <= sum(map(len, holders["h4"].asked)) <= 40
