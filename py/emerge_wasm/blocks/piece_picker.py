"""Which holder is asked for which piece next, while the blocks of a file are read from several holders.

A piece is what is kept under one name: a block, or a fragment of one. A holder may be slow, stand still, die, lack what
it was said to have, or send wrong bytes. Of each block as many pieces are asked for as it needs, first those of data;
one that is late, lost or wrong is made up for by another holder of it or by another piece. Each is verified here.

Pure: no I/O, and no clock; moments are passed in, in seconds of any clock that only goes forward. Whoever asks says of
each request how it ended (`answer`, `fail`), or is told to leave it (`drop`). No holder is asked for the same piece
more than some times, so reading always ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from weakref import WeakValueDictionary

from .block import block_name
from .holder_record import LIMIT, TRIES, HolderRecord

WINDOW, WINDOW_BLOCKS = 16 << 20, 256
"""Bytes and number of blocks that are asked for, or wait to be taken."""

REQUEST_BYTES, REQUEST_PIECES = 4 << 20, 64
"""At most so much is asked for at once (a request costs as much as to hash a megabyte), half as much where several
have it; a larger piece alone."""

AT_ONCE = 24
"""Requests under way, less those that are late."""

SLOWER = 1.5
"""A holder that is expected to take so many times longer than another one is not asked: the other is waited for."""

_HEALTHY, _TROUBLED, _LIAR = range(3)


class WantedBlock(NamedTuple):
    """A block of a file: where it begins there, its size, the names of its pieces, and how many of them make it."""

    offset: int
    size: int
    pieces: tuple[bytes, ...]
    need: int = 1


class PieceRequest(NamedTuple):
    """What is to be asked of a holder."""

    number: int
    holder: str
    names: list[bytes]


class TakenBlock(NamedTuple):
    """A block whose pieces are here and right; or one that cannot be had: `missing` says why, by piece and holder."""

    block: WantedBlock
    found: dict[bytes, bytes]
    missing: dict[bytes, dict[str, str]]


@dataclass(eq=False)
class _Piece:
    """What is known of one piece. Blocks that are alike share theirs."""

    name: bytes
    size: int
    holders: list[str] = field(default_factory=list)
    data: bytes | None = None
    asked: dict[str, int] = field(default_factory=dict)  # holder -> the request under way
    tries: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)  # holder -> why it is not asked for it again
    blocks: list[_Block] = field(default_factory=list)  # that want it

    @property
    def needed(self) -> bool:
        return self.data is None and any(not block.done for block in self.blocks)

    def end(self, holder: str) -> None:
        """It is not asked for any more at a holder."""
        del self.asked[holder]
        for block in self.blocks:
            block.quiet_until = 0.0

    def fill(self, data: bytes) -> None:
        if self.data is None:
            self.data = data
            for block in self.blocks:
                block.lacks -= 1


@dataclass(eq=False)
class _Block:
    wanted: WantedBlock
    pieces: list[_Piece]
    lacks: int  # pieces, until it is done
    looked_up: bool = False
    failed: bool = False
    quiet_until: float = 0.0  # all that it lacks is asked for, and not late before

    @property
    def done(self) -> bool:
        return self.failed or self.lacks <= 0


@dataclass(eq=False)
class _Call:
    """A request under way."""

    number: int
    record: HolderRecord
    pieces: list[_Piece]
    size: int

    most: int  # bytes

    def has_room(self, size: int) -> bool:
        return self.size + size <= self.most and len(self.pieces) < REQUEST_PIECES


class PiecePicker:
    """Blocks that are wanted, and the requests for their pieces.

    `ordered`: blocks are taken in the order in which they were wanted, else as they are done. `reserve` is a holder
    that is asked when others are in trouble. `liars` are the holders that sent wrong bytes: they are asked only for
    what nobody else can give.
    """

    def __init__(self, window: int = WINDOW, *, ordered: bool = True, reserve: str = "") -> None:
        self.window = window
        self.liars: list[str] = []
        self.records: dict[str, HolderRecord] = {}
        self._ordered = ordered
        self._reserve = reserve
        self._blocks: list[_Block] = []
        self._pieces: WeakValueDictionary[bytes, _Piece] = WeakValueDictionary()
        self._calls: dict[int, _Call] = {}
        self._count = 0
        self._held = 0
        self._doubt = False  # whether something may have become impossible
        self._trouble = False  # whether anything ever failed

    # --- what is wanted
    def has_room(self, size: int) -> bool:
        """Whether a block of that size fits into the window. One block always does."""
        fits = self._held + size <= self.window and len(self._blocks) < WINDOW_BLOCKS
        return fits or not self._blocks

    def want(self, block: WantedBlock, holders: Mapping[bytes, Sequence[str]]) -> None:
        """Want a block, whose pieces are said to be at these holders, the most likely first."""
        size = -(-block.size // block.need)
        pieces = [self._pieces.get(name) or _Piece(name, size) for name in block.pieces]
        self._pieces.update((piece.name, piece) for piece in pieces)
        lacks = block.need - sum(piece.data is not None for piece in pieces)
        self._blocks.append(_Block(block, pieces, lacks))
        for piece in pieces:
            piece.blocks.append(self._blocks[-1])
        self._held += block.size
        self._doubt |= self._trouble or not all(holders.get(name) for name in block.pieces)
        self.learn(holders)

    @property
    def waiting(self) -> bool:
        """Whether any block is wanted and not taken."""
        return bool(self._blocks)

    def take(self) -> TakenBlock | None:
        """Return the next block that is done; None: none is yet."""
        for block in self._blocks[:1] if self._ordered else self._blocks:
            if block.done:
                self._blocks.remove(block)
                for piece in block.pieces:
                    piece.blocks.remove(block)
                self._held -= block.wanted.size
                found = {piece.name: piece.data for piece in block.pieces if piece.data is not None}
                lost = [piece for piece in block.pieces if block.failed and not self._may_come(piece)]
                return TakenBlock(block.wanted, found, {piece.name: self._reasons(piece) for piece in lost})
        return None

    # --- who has it
    def lacking(self) -> list[bytes]:
        """Return the pieces of blocks for which nobody is left to be asked: their holders should be looked up."""
        if not self._doubt:
            return []
        self._doubt = False
        blocks = [block for block in self._blocks if not block.looked_up and not self._is_possible(block)]
        return list(dict.fromkeys(piece.name for block in blocks for piece in block.pieces if piece.data is None))

    def learn(self, holders: Mapping[bytes, Sequence[str]], looked_up: Iterable[bytes] = ()) -> None:
        """Learn who has pieces. A block of those that were looked up fails as soon as nobody is left to be asked."""
        for name, found in holders.items():
            piece = self._pieces.get(name)
            if piece is not None:
                piece.holders += [each for each in dict.fromkeys(found) if each not in piece.holders]
                for each in piece.holders:
                    self.records.setdefault(each, HolderRecord(each))
        looked = set(looked_up)
        for block in self._blocks if looked else ():
            block.looked_up |= not looked.isdisjoint(block.wanted.pieces)
        self._doubt |= bool(looked)
        self._settle()

    # --- what is to be asked
    def start(self, now: float) -> list[PieceRequest]:
        """Return what is to be asked now. It counts as under way."""
        fresh: dict[str, _Call] = {}
        made: list[_Call] = []
        most = REQUEST_BYTES // (2 if len(self.records.keys() - {self._reserve}) > 1 else 1)
        for block in self._blocks:
            if block.done or now < block.quiet_until:
                continue
            if not any(each.has_room() for each in self.records.values()) and not fresh:
                break
            for piece, record in self._offers(block, fresh, now):
                call = fresh.get(record.name)
                if call is None or not call.has_room(piece.size):
                    if self._count_in_time(now) >= AT_ONCE:
                        return [_request(each) for each in made]
                    self._count += 1
                    call = fresh[record.name] = self._calls[self._count] = _Call(self._count, record, [], 0, most)
                    record.begin(call.number, now)
                    made.append(call)
                call.pieces.append(piece)
                call.size += piece.size
                piece.asked[record.name] = call.number
        return [_request(each) for each in made]

    def wake(self, now: float) -> float | None:
        """Return the moment at which there may be something to do though nothing was answered."""
        rests = [each.rests_until for each in self.records.values()]
        late = [call.record.late_at(n) for n, call in self._calls.items()]
        ends = [call.record.given_up_at(n) for n, call in self._calls.items()]
        return min((moment for moment in (*rests, *late, *ends) if moment > now), default=None)

    # --- what became of it
    def answer(self, number: int, found: Mapping[bytes, bytes], lost: Mapping[bytes, str], now: float) -> None:
        """A request was answered: with these pieces, and why others are lost. What is in neither is asked again."""
        call = self._calls.pop(number, None)
        if call is None:
            return
        call.record.end(number, now, measured=bool(found))
        says_nothing = not any(piece.name in found or piece.name in lost for piece in call.pieces)
        for piece in call.pieces:
            piece.end(call.record.name)
            data = found.get(piece.name)
            if data is not None and block_name(data) == piece.name:
                piece.fill(data)
            elif data is not None:
                self._refuse(piece, call.record, "it sent wrong bytes, or it was damaged on its way", lied=True)
            elif piece.name in lost:
                self._refuse(piece, call.record, lost[piece.name])
            elif says_nothing:
                self._try_again(piece, call.record, "it says nothing about it")
        self._settle()

    def fail(self, number: int, why: str, now: float, *, final: bool = False) -> None:
        """A request failed. `final`: so would any other at this holder."""
        call = self._calls.pop(number, None)
        if call is None:
            return
        for piece in call.pieces:
            piece.end(call.record.name)
            self._try_again(piece, call.record, why)
        call.record.fail(number, now, why, final=final)
        self._doubt = self._trouble = True
        self._settle()

    def drop(self, now: float) -> list[int]:
        """Return the requests that nobody waits for any more: what they ask for is here, or their holder is silent."""
        needless = [call for call in self._calls.values() if not any(piece.needed for piece in call.pieces)]
        for call in needless:
            del self._calls[call.number]
            call.record.leave(call.number, now)
            for piece in call.pieces:
                piece.end(call.record.name)
        silent = [n for n, call in self._calls.items() if now >= call.record.given_up_at(n)]
        for number in silent:
            self.fail(number, f"it gave no answer for {LIMIT:g} s", now)
        return [call.number for call in needless] + silent

    # --- choosing
    def _offers(self, block: _Block, fresh: Mapping[str, _Call], now: float) -> Iterator[tuple[_Piece, HolderRecord]]:
        """Yield who is to be asked for which pieces of a block; each is asked before the next one is thought of."""
        short = block.lacks - sum(self._is_coming(piece, now) for piece in block.pieces)
        if short <= 0:
            asked = ((piece, *each) for piece in block.pieces for each in piece.asked.items())
            late = (self.records[name].late_at(number) for _, name, number in asked)
            block.quiet_until = min((moment for moment in late if moment > now), default=0.0)
        for trust in (_HEALTHY, _TROUBLED, _LIAR):
            if short <= 0 or (trust == _LIAR and self._is_possible(block, liars=False)):
                return
            for piece in block.pieces:
                if short > 0 and piece.data is None and not self._is_coming(piece, now):
                    able = [each for each in self._able(piece) if self._trust(piece, each, now) == trust]
                    awake = [each for each in able if not each.is_resting(now)]
                    soon = SLOWER * min((each.expected(now) for each in awake if each.service), default=float("inf"))
                    free = [each for each in awake if _takes(each, fresh, piece.size) and each.expected(now) <= soon]
                    if free:
                        yield piece, min(free, key=lambda each: each.expected(now))
                    short -= bool(free) or (trust == _HEALTHY and bool(able))  # a busy one is waited for

    def _able(self, piece: _Piece) -> list[HolderRecord]:
        """Return those that may be asked for a piece, now or later."""
        records = [self.records[name] for name in piece.holders if name not in piece.asked]
        return [each for each in records if not each.gone and each.name not in piece.refused]

    def _trust(self, piece: _Piece, record: HolderRecord, now: float) -> int:
        if record.lied:
            return _LIAR
        trouble = record.failures or piece.tries.get(record.name) or record.is_stalled(now) or record.is_resting(now)
        is_reserve = record.name == self._reserve and len(piece.holders) > 1
        return _TROUBLED if trouble or is_reserve else _HEALTHY

    def _is_coming(self, piece: _Piece, now: float) -> bool:
        """Whether a piece is asked for, and not late."""
        return any(now < self.records[name].late_at(number) for name, number in piece.asked.items())

    def _is_possible(self, block: _Block, *, liars: bool = True) -> bool:
        """Whether enough of a block is here, or may come."""
        return sum(self._may_come(piece, liars=liars) for piece in block.pieces) >= block.wanted.need

    def _may_come(self, piece: _Piece, *, liars: bool = True) -> bool:
        """Whether a piece is here, is asked for, or can be."""
        here = piece.data is not None or bool(piece.asked)
        return here or any(liars or not each.lied for each in self._able(piece))

    def _count_in_time(self, now: float) -> int:
        return sum(now < call.record.late_at(call.number) for call in self._calls.values())

    # --- keeping account
    def _refuse(self, piece: _Piece, record: HolderRecord, why: str, *, lied: bool = False) -> None:
        piece.refused[record.name] = why
        self._doubt = self._trouble = True
        if lied and not record.lied:
            record.lied = True
            self.liars.append(record.name)

    def _try_again(self, piece: _Piece, record: HolderRecord, why: str) -> None:
        piece.tries[record.name] = piece.tries.get(record.name, 0) + 1
        if piece.tries[record.name] >= TRIES or record.lied:
            self._refuse(piece, record, why)

    def _settle(self) -> None:
        for block in self._blocks if self._doubt else ():
            block.failed |= block.looked_up and not self._is_possible(block)

    def _reasons(self, piece: _Piece) -> dict[str, str]:
        return {
            name: piece.refused.get(name) or self.records[name].gone or "it was not asked" for name in piece.holders
        }


def _request(call: _Call) -> PieceRequest:
    return PieceRequest(call.number, call.record.name, [piece.name for piece in call.pieces])


def _takes(record: HolderRecord, fresh: Mapping[str, _Call], size: int) -> bool:
    """Whether a holder can be asked for one piece more: by a further request, or with others."""
    call = fresh.get(record.name)
    return record.has_room() or (call is not None and call.has_room(size))
