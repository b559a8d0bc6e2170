"""Who is in a cluster: what a node says of itself, and what another knows of it. Plain data, no sockets."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..errors import Invalid

TEXT_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Identity:
    """A node: its name, its own uuid (of this life of it), the uuid of the filesystem that it serves, and the
    endpoints where it serves (`rpc`) and announces (`pub`). Several nodes may serve one filesystem."""

    node: str
    uuid: str
    filesystem: str
    rpc: str
    pub: str

    def to_wire(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(slots=True)
class Peer:
    """Another node as seen from here.

    It is a member once each hears the other, so that a question broadcast by one surely reaches the other.
    """

    identity: Identity
    missed: int = 0  # this node's own periods since it announced itself; before that, since it was first told of
    speaks: bool = False  # it was heard itself
    hears: bool = False  # it says that it hears this node

    @property
    def is_member(self) -> bool:
        return self.speaks and self.hears


def read_identity(data: Any) -> Identity:
    """The identity in a map from the wire; Invalid when it is none."""
    if not isinstance(data, dict):
        raise Invalid("a node's identity is a map")
    texts = [data.get(name) for name in Identity.__slots__]
    for text in texts:
        if not isinstance(text, str) or not 0 < len(text) <= TEXT_LIMIT:
            raise Invalid("a node's identity has its name, uuid, filesystem, rpc and pub endpoints as text")
    if not all(str(endpoint).startswith("tcp://") for endpoint in texts[3:]):
        raise Invalid("a node's endpoints are tcp://host:port")
    return Identity(*map(str, texts))


def read_texts(data: Any, limit: int) -> list[str]:
    """A list of at most `limit` texts from the wire; Invalid otherwise."""
    if not isinstance(data, (list, tuple)) or len(data) > limit or not all(isinstance(text, str) for text in data):
        raise Invalid(f"this is not a list of at most {limit} texts")
    return list(data)
