"""Who is in a cluster: how a node introduces itself, and what another knows of it. Plain data, no sockets."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from ..errors import Invalid

TEXT_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Identity:
    """A node: its name, the uuid of this process, and the uuid of the filesystem that it serves.

    It serves at the endpoint `rpc` and announces at `pub`. Several nodes may serve one filesystem. `cluster` is the
    uuid of the cluster that the filesystem belongs to ("": none). `version` is Emerge's, `python` Python's, `since`
    when it started, in ISO 8601 UTC; "" where a node of an older release does not say.
    """

    node: str
    uuid: str
    filesystem: str
    rpc: str
    pub: str
    cluster: str = field(default="", compare=False)
    version: str = field(default="", compare=False)
    python: str = field(default="", compare=False)
    since: str = field(default="", compare=False)

    def is_akin(self, other: Identity) -> bool:
        """Tell whether both are of one filesystem, or of one cluster."""
        return self.filesystem == other.filesystem or (self.cluster != "" and self.cluster == other.cluster)

    def to_wire(self) -> dict[str, str]:
        return asdict(self)


@dataclass(slots=True)
class Peer:
    """Another node as seen from here; it is a member once each hears the other, until it is cut off."""

    identity: Identity
    missed: int = 0  # this node's own ticks since it was heard; before that, since it was first heard of
    speaks: bool = False  # it was heard
    hears: bool = False  # it said that it hears this node
    cut: bool = False  # only others reach it
    checked: bool = False  # it is being found out whether it is there
    view: int = 0  # the version of its view that is known here

    @property
    def is_member(self) -> bool:
        return self.speaks and self.hears and not self.cut


def read_identity(data: object) -> Identity:
    """Read an identity from the wire.

    Raises:
        Invalid: it is none.
    """
    if not isinstance(data, dict):
        raise Invalid("a node's identity is a map")
    texts = [data.get(name) for name in ("node", "uuid", "filesystem", "rpc", "pub")]
    for text in texts:
        if not isinstance(text, str) or not 0 < len(text) <= TEXT_LIMIT or not text.isprintable():
            raise Invalid("a node's identity has its name, uuid, filesystem, rpc and pub endpoints as text")
    if not all(str(endpoint).startswith("tcp://") for endpoint in texts[3:]):
        raise Invalid("a node's endpoints are tcp://host:port")
    more = [data.get(name, "") for name in ("cluster", "version", "python", "since")]
    if not all(isinstance(text, str) and len(text) <= TEXT_LIMIT and text.isprintable() for text in more):
        raise Invalid("the cluster, version, python and start of a node are text")
    return Identity(*map(str, [*texts, *more]))


def read_texts(data: object, limit: int) -> list[str]:
    """Read a list of at most `limit` texts from the wire.

    Raises:
        Invalid: it is none.
    """
    if not isinstance(data, (list, tuple)) or len(data) > limit or not all(isinstance(text, str) for text in data):
        raise Invalid(f"this is not a list of at most {limit} texts")
    return list(data)
