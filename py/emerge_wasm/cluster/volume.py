"""Which filesystem owns which subtree: volumes, and the mount table of a cluster. Plain data; no sockets, no store.

A volume is a subtree that one filesystem owns alone, so a name in it is one thing. The table is kept by the registry,
the owner of `/`; all others have copies of it, of which the greatest version is the newest.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Self

from ..codec import decode, encode
from ..errors import Invalid
from ..operations import Wire

NODES = "/nodes"
"""Where the things of a node are mounted that had some before it joined: at `/nodes/<its name>`."""


TERM = 1 << 32
"""Versions of the table that one owner of `/` may make, before the next owner's begin."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A subtree, the uuid of the filesystem that owns it, and the version of the table that said so first."""

    path: str
    filesystem: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Member:
    """A filesystem of the cluster: the name of a node that serves it, and the endpoint where it was last seen."""

    filesystem: str
    node: str
    rpc: str


@dataclass(frozen=True, slots=True)
class Replica:
    """A filesystem made as the copy of a volume, and the filesystem of the nodes that host it.

    It is a copy until it is promoted: then it owns the volume, and its host serves it.
    """

    path: str
    filesystem: str
    host: str


@dataclass(frozen=True, slots=True)
class Former:
    """Who owned a volume before a copy was promoted, at this version of the table, and up to which position of its log
    the copy had it. Or a copy that had what the owner of this version had not: position 0."""

    path: str
    filesystem: str
    position: int
    epoch: int


@dataclass(frozen=True, slots=True)
class MountTable:
    """The volumes of a cluster, the longest path first, and its members.

    `replicas` are the copies of volumes and what was made of them, `wanted` how many copies each path is to have,
    `former` the owners that were replaced. `leased`: the owners of volumes with copies need leases of the registry.
    `sync` are the paths of volumes whose changes are acknowledged only when a copy has them.
    """

    cluster: str
    version: int
    volumes: tuple[Volume, ...]
    members: tuple[Member, ...]
    replicas: tuple[Replica, ...] = ()
    wanted: tuple[tuple[str, int], ...] = ()
    former: tuple[Former, ...] = ()
    leased: bool = False
    sync: tuple[str, ...] = ()
    _at: dict[str, Volume] = field(init=False, repr=False, compare=False)
    _borders: list[Volume] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_at", {each.path: each for each in self.volumes})
        object.__setattr__(self, "_borders", sorted(filter(self.is_border, self.volumes), key=_path))

    @classmethod
    def found(cls, cluster: str, member: Member) -> Self:
        """Return the first table of a cluster: its founder owns everything."""
        return cls(cluster, 1, (Volume("/", member.filesystem, 1),), (member,))

    @property
    def registry(self) -> str:
        """The uuid of the filesystem that keeps this table."""
        return self.volumes[-1].filesystem

    def volume_of(self, path: str) -> Volume:
        """Return the volume that a path is in."""
        while path not in self._at and path != "/":
            path = path.rpartition("/")[0] or "/"
        return self._at[path]

    def above(self, volume: Volume) -> Volume | None:
        """Return the volume that another one is mounted in; None for that of `/`."""
        return None if volume.path == "/" else self.volume_of(volume.path.rpartition("/")[0] or "/")

    def is_border(self, volume: Volume) -> bool:
        """Tell whether another filesystem owns what is above the volume."""
        above = self.above(volume)
        return above is not None and above.filesystem != volume.filesystem

    def borders_below(self, path: str) -> list[Volume]:
        """Return the volumes strictly below a path at whose tops the owner changes, by path."""
        inside = "/" if path == "/" else path + "/"
        start, end = (
            bisect_left(self._borders, inside, key=_path),
            bisect_left(self._borders, inside[:-1] + "0", key=_path),
        )
        return self._borders[start:end]

    def borders_above(self, path: str) -> Iterator[Volume]:
        """Yield the volumes on the way to a path at whose tops the owner changes, the lowest first."""
        volume: Volume | None = self.volume_of(path)
        while volume is not None:
            if self.is_border(volume):
                yield volume
            volume = self.above(volume)

    def owners_above(self, path: str) -> list[str]:
        """Return the filesystems on the way to the volume of a path that own what is above it, the nearest first."""
        above = (self.above(border) for border in self.borders_above(path))
        return [volume.filesystem for volume in above if volume is not None]

    def member(self, filesystem: str) -> Member | None:
        return next((each for each in self.members if each.filesystem == filesystem), None)

    def name(self, filesystem: str) -> str:
        """The name of the node that serves a filesystem."""
        replica = self.replica(filesystem)
        member = self.member(replica.host if replica else filesystem)
        return member.node if member else filesystem[:8]

    # --- copies
    def copies(self, path: str) -> list[Replica]:
        """The copies of the volume at a path, without its owner and those that owned it once."""
        owners = {self.volume_of(path).filesystem, *(each.filesystem for each in self.former)}
        return [each for each in self.replicas if each.path == path and each.filesystem not in owners]

    def replaced(self, filesystem: str, path: str) -> bool:
        """Tell whether a filesystem owned a path once, or has a copy of it, and another one owns it by a promotion."""
        volume = self.volume_of(path)
        mine = [each.path.rstrip("/") for each in self.former if each.filesystem == filesystem]
        once = any(path == top or path.startswith(top + "/") for top in mine)
        copy = any(each.filesystem == filesystem and each.path == volume.path for each in self.replicas)
        return volume.filesystem != filesystem and (once or copy)

    def retired(self, path: str) -> list[Replica]:
        """The copies of the volume at a path that were taken out, because they had more than its owner."""
        owner = self.volume_of(path)
        out = {each.filesystem for each in self.former if (each.epoch, each.position) == (owner.epoch, 0)}
        return [each for each in self.replicas if each.path == path and each.filesystem in out - {owner.filesystem}]

    def replica(self, filesystem: str) -> Replica | None:
        """The row of a filesystem that was made as a copy."""
        return next((each for each in self.replicas if each.filesystem == filesystem), None)

    def wants(self, path: str) -> int:
        """How many copies the volume at a path is to have."""
        return dict(self.wanted).get(path, 0)

    # --- the next table
    def admit(self, member: Member) -> Self:
        """Return the table with a member, which replaces what was known of its filesystem."""
        others = [each for each in self.members if each.filesystem != member.filesystem]
        return replace(self, version=self.version + 1, members=tuple(sorted([*others, member], key=_node)))

    def mount(self, path: str, filesystem: str) -> Self:
        """Return the table in which a filesystem owns what is at a path, as a volume."""
        return self.mount_all([path], filesystem)

    def mount_all(self, paths: Collection[str], filesystem: str) -> Self:
        """Return the table in which a filesystem owns what is at some paths, as volumes."""
        made = [Volume(path, filesystem, self.version + 1) for path in paths]
        others = (each for each in self.volumes if each.path not in paths)
        volumes = sorted([*others, *made], key=lambda each: (-len(each.path), each.path))
        return replace(self, version=self.version + 1, volumes=tuple(volumes))

    def unmount(self, path: str) -> Self:
        """Return the table without a volume."""
        volumes = tuple(each for each in self.volumes if each.path != path)
        replicas = tuple(each for each in self.replicas if each.path != path)
        wanted = tuple(each for each in self.wanted if each[0] != path)
        sync = tuple(each for each in self.sync if each != path)
        return replace(self, version=self.version + 1, volumes=volumes, replicas=replicas, wanted=wanted, sync=sync)

    def replicate(
        self, path: str, copies: int, replicas: Iterable[Replica], *, leased: bool = False, sync: bool = False
    ) -> Self:
        """Return the table in which the volume at a path has these copies, and is to have so many."""
        before = self.copies(path)
        kept = [each for each in self.replicas if each not in before]
        wanted = dict(self.wanted) | {path: copies}
        return replace(
            self,
            version=self.version + 1,
            replicas=(*kept, *replicas),
            wanted=tuple((each, number) for each, number in sorted(wanted.items()) if number),
            leased=leased,
            sync=tuple(sorted({*self.sync, path} if sync and copies else {*self.sync} - {path})),
        )

    def promote(self, replica: Replica, position: int) -> Self:
        """Return the table in which a copy owns its volume; it had the log of the owner up to a position.

        The registry's own volume may be promoted while it is away, and go on somewhere: the next table is newer than
        any that it makes.
        """
        before = self.volume_of(replica.path)
        version = self.version + 1 if replica.path != "/" else (self.version // TERM + 1) * TERM
        volume = Volume(replica.path, replica.filesystem, version)
        return replace(
            self,
            version=version,
            volumes=tuple(volume if each == before else each for each in self.volumes),
            former=(*self.former, Former(replica.path, before.filesystem, position, version)),
        )

    def retire(self, replica: Replica) -> Self:
        """Return the table in which a copy has more than its owner: what that is, its host is to keep as conflicts."""
        former = Former(replica.path, replica.filesystem, 0, self.volume_of(replica.path).epoch)
        return replace(self, version=self.version + 1, former=(*self.former, former))

    # --- bytes
    def to_wire(self) -> Wire:
        return {
            "cluster": self.cluster,
            "version": self.version,
            "volumes": [[each.path, each.filesystem, each.epoch] for each in self.volumes],
            "members": [[each.filesystem, each.node, each.rpc] for each in self.members],
            "replicas": [[each.path, each.filesystem, each.host] for each in self.replicas],
            "wanted": [list(each) for each in self.wanted],
            "leased": self.leased,
            "sync": list(self.sync),
            "former": [[each.path, each.filesystem, each.position, each.epoch] for each in self.former],
        }

    def pack(self) -> bytes:
        return encode(self.to_wire())


def unpack(raw: bytes) -> MountTable:
    """Read a table from its bytes."""
    return read_table(decode(raw))


def read_table(data: object) -> MountTable:
    """Read a table from the wire.

    Raises:
        Invalid: it is none.
    """
    try:
        assert isinstance(data, dict)
        volumes = tuple(Volume(str(path), str(filesystem), int(epoch)) for path, filesystem, epoch in data["volumes"])
        members = tuple(Member(*map(str, row)) for row in data["members"])
        replicas = tuple(Replica(*map(str, row)) for row in data.get("replicas", ()))
        wanted = tuple((str(path), int(number)) for path, number in data.get("wanted", ()))
        former = tuple(
            Former(str(path), str(filesystem), int(position), int(epoch))
            for path, filesystem, position, epoch in data.get("former", ())
        )
        leased = data.get("leased") is True
        sync = tuple(map(str, data.get("sync", ())))
        table = MountTable(
            str(data["cluster"]), int(data["version"]), volumes, members, replicas, wanted, former, leased, sync
        )
    except (AssertionError, LookupError, TypeError, ValueError) as error:
        raise Invalid("this is no mount table", remedy="update the node that sent it") from error
    if not table.cluster or not volumes or volumes[-1].path != "/":
        raise Invalid("a mount table names its cluster and who owns /", remedy="update the node that sent it")
    return table


def _path(volume: Volume) -> str:
    return volume.path


def _node(member: Member) -> str:
    return member.node
