"""The airports of the United States, one object each under /airports/<state>/: some 3,300 of them.

The table is the one that the `vega-datasets` package carries (`pip install vega-datasets`; the page serves it itself).
Runs on CPython and in a console cell of the page.
"""

import csv
import io
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from math import asin, cos, radians, sin, sqrt
from pathlib import Path

from emerge_wasm import EmergeFile, fs


@dataclass
class Airport(EmergeFile):
    """An airport of the United States, by its IATA code."""

    iata: str = ""
    title: str = ""
    city: str = ""
    state: str = ""
    country: str = ""
    latitude: float = 0.0
    longitude: float = 0.0

    def distance(self, latitude: float, longitude: float) -> float:
        """Kilometres along the great circle to a place in degrees."""
        north, east = radians(latitude - self.latitude), radians(longitude - self.longitude)
        half = sin(north / 2) ** 2 + cos(radians(self.latitude)) * cos(radians(latitude)) * sin(east / 2) ** 2
        return round(2 * 6371 * asin(sqrt(half)), 1)


def read_table() -> list[dict[str, str]]:
    """The rows of airports.csv, read as a file: importing the package would ask for pandas."""
    if sys.platform == "emscripten" and find_spec("vega_datasets") is None:
        import micropip
        from pyodide.ffi import run_sync

        run_sync(micropip.install("vega-datasets", deps=False))
    spec = find_spec("vega_datasets")
    if spec is None or spec.origin is None:
        raise SystemExit("the table is in the package vega-datasets: pip install --no-deps vega-datasets")
    text = (Path(spec.origin).parent / "_data" / "airports.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def make_airport(row: dict[str, str]) -> Airport:
    state = row["state"] if row["state"] not in ("", "NA") else "other"
    return Airport(
        name=row["iata"],
        path=f"/airports/{state}",
        iata=row["iata"],
        title=row["name"],
        city=row["city"],
        state=row["state"],
        country=row["country"],
        latitude=float(row["latitude"]),
        longitude=float(row["longitude"]),
    )


stored = fs.storeall(make_airport(row) for row in read_table())
print(len(stored), "airports in", len(fs.list("/airports")), "states")
print("SFO to JFK:", fs.run("/airports/CA/SFO", "distance", 40.64, -73.78), "km")
