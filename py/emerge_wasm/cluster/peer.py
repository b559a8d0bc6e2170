"""Who is in a cluster: how a node introduces itself, and what another knows of it. Plain data, no sockets."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from ..errors import Invalid

TEXT_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Identity:
    """A node: its name, the uuid of this process, and the uuid of the filesystem that it serves.

    It serves at the endpoint `rpc` and announces at `pub`. Several nodes may serve one filesystem. `cluster` is the
    uuid of the cluster that the filesystem belongs to ("": none).
    """

    node: str
    uuid: str
    filesystem: str
    rpc: str
    pub: str
    cluster: str = field(default="", compare=False)

    def is_akin(self, other: Identity) -> bool:
        """Tell whether both are of one filesystem, or of one cluster."""
        return self.filesystem == other.filesystem or (self.cluster != "" and self.cluster == other.cluster)

    def to_wire(self) -> dict[str, str]:
        return asdict(self)


@dataclass(slots=True)
class Peer:
    """Another node as seen from here.

    It is a member once each hears the other: a question that one broadcasts then surely reaches the other.
    """

    identity: Identity
    missed: int = 0  # this node's own periods since it announced itself; before that, since it was first heard of
    speaks: bool = False  # it was heard
    hears: bool = False  # it says that it hears this node

    @property
    def is_member(self) -> bool:
        return self.speaks and self.hears


def read_identity(data: object) -> Identity:
    """Read an identity from the wire.

    Raises:
        Invalid: it is none.
    """
    if not isinstance(data, dict):
        raise Invalid("a node's identity is a map")
    texts = [data.get(name) for name in ("node", "uuid", "filesystem", "rpc", "pub")]
    for text in texts:
        if not isinstance(text, str) or not 0 < len(text) <= TEXT_LIMIT:
            raise Invalid("a node's identity has its name, uuid, filesystem, rpc and pub endpoints as text")
    if not all(str(endpoint).startswith("tcp://") for endpoint in texts[3:]):
        raise Invalid("a node's endpoints are tcp://host:port")
    cluster = data.get("cluster", "")
    if not isinstance(cluster, str) or len(cluster) > TEXT_LIMIT:
        raise Invalid("the cluster of a node is text")
    return Identity(*map(str, [*texts, cluster]))


def read_texts(data: object, limit: int) -> list[str]:
    """Read a list of at most `limit` texts from the wire.

    Raises:
        Invalid: it is none.
    """
    if not isinstance(data, (list, tuple)) or len(data) > limit or not all(isinstance(text, str) for text in data):
        raise Invalid(f"this is not a list of at most {limit} texts")
    return list(data)
