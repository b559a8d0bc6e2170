"""Parcels of land as GeoJSON. Areas and centroids are made on the node, which has shapely:
`emerge node start --preload shapely`.
"""

from dataclasses import dataclass, field
from typing import Any

from emerge_wasm import EmergeFile, fs


@dataclass
class Parcel(EmergeFile):
    """A parcel of land; its outline is a GeoJSON geometry, in metres."""

    geometry: dict[str, Any] = field(default_factory=dict)
    owner_name: str = ""

    def area(self) -> float:
        """Square metres."""
        from shapely.geometry import shape

        return shape(self.geometry).area

    def centroid(self) -> dict[str, Any]:
        """The centre of gravity, as a GeoJSON point."""
        from shapely.geometry import mapping, shape

        return mapping(shape(self.geometry).centroid)


def rectangle(x: float, y: float, width: float, height: float) -> dict[str, Any]:
    corners = [[x, y], [x + width, y], [x + width, y + height], [x, y + height], [x, y]]
    return {"type": "Polygon", "coordinates": [corners]}


fs.storeall(
    [
        Parcel(name="meadow", path="/parcels", geometry=rectangle(0, 0, 40, 25), owner_name="Anna"),
        Parcel(name="orchard", path="/parcels", geometry=rectangle(50, 10, 20, 30), owner_name="Ben"),
    ]
)
print(fs.run("/parcels/meadow", "centroid"))
print({row["path"]: row["result"] for row in fs.run("/parcels", "area")})
print([parcel.name for parcel in fs.search(lambda p: p.area() > 800, path="/parcels")])
