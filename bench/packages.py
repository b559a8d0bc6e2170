"""Which scientific packages work in the sandbox: `python -m bench.packages [NAME…]`, for those that are installed.

Each is preloaded into a zygote of its own, then used in a worker and here; the two answers must be the same. They are
too large for this project's own environment: install them, and this project, in one that you throw away.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from emerge_wasm import EmergeFile
from emerge_wasm.bundles import capture
from emerge_wasm.codec import pack_state
from emerge_wasm.errors import EmergeError
from emerge_wasm.filesystem.runner import RunCall
from emerge_wasm.objects import METADATA
from emerge_wasm.sandbox import Pool

TEXTS = r"""
# --- numpy
import numpy as np
answer = float(np.linalg.inv(np.random.default_rng(1).random((50, 50))).sum())
# --- scipy
from scipy import fft, integrate, optimize, stats
answer = [round(float(optimize.brentq(lambda x: x**3 - 2, 0, 2)), 9), float(stats.norm.cdf(1.0))]
answer += [round(integrate.quad(lambda x: x * x, 0, 3)[0], 9), float(abs(fft.fft([1, 2, 3])[1]))]
# --- pandas
import io, pandas as pd
frame = pd.read_csv(io.StringIO("d,a,b\n2026-01-01,1,x\n2026-02-01,2,y"), parse_dates=["d"])
zoned = frame.d.dt.tz_localize("Europe/Berlin").iloc[0].isoformat()
answer = [frame.groupby("b").a.sum().to_dict(), zoned, frame.to_json()]
# --- matplotlib
import io, matplotlib
matplotlib.use("Agg")
from matplotlib import pyplot as plt
figure, axes = plt.subplots()
axes.plot([1, 2, 3], label="$x^2$")
axes.legend()
png, pdf = io.BytesIO(), io.BytesIO()
figure.savefig(png, format="png")
figure.savefig(pdf, format="pdf")
answer = [png.getvalue()[:4].hex(), len(png.getvalue()) > 5000, len(pdf.getvalue()) > 5000]
# --- sklearn
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
x, y = load_iris(return_X_y=True)
answer = [round(RandomForestClassifier(10, random_state=1).fit(x, y).score(x, y), 6)]
answer += [len(set(KMeans(3, random_state=1, n_init=1).fit_predict(x)))]
# --- sympy
import sympy
x = sympy.symbols("x")
answer = [str(sympy.integrate(sympy.sin(x) ** 2, x)), str(sympy.solve(x**2 - 2, x)), sympy.latex(x**2)]
# --- networkx
import networkx as nx
graph = nx.karate_club_graph()
answer = [nx.shortest_path_length(graph, 0, 33), round(sum(nx.pagerank(graph).values()), 6)]
# --- shapely
from shapely import wkt
from shapely.geometry import Point
from shapely.ops import unary_union
answer = [round(unary_union([Point(0, 0).buffer(1), Point(1, 0).buffer(1)]).area, 9), wkt.loads("POINT (1 2)").x]
# --- pyproj
import threading, pyproj
move = lambda: pyproj.Transformer.from_crs(4326, 2056, always_xy=True).transform(8.5, 47.4)
found = []
thread = threading.Thread(target=lambda: found.append(move()))
thread.start()
thread.join()
answer = [pyproj.CRS.from_epsg(2056).name, *map(round, move()), *map(round, found[0])]
answer += [round(pyproj.Geod(ellps="WGS84").inv(8, 47, 9, 48)[2])]
# --- geopandas
import geopandas
from shapely.geometry import Point
frame = geopandas.GeoDataFrame({"a": ["x", "y"]}, geometry=[Point(8, 47), Point(9, 48)], crs=4326)
moved = frame.to_crs(2056)
answer = [round(moved.distance(moved.geometry.iloc[0]).iloc[1]), frame.to_json(), len(geopandas.sjoin(frame, frame))]
# --- pyarrow
import io, pyarrow as pa, pyarrow.compute as pc, pyarrow.parquet as pq
table = pa.table({"a": [1, 2, 3], "b": ["x", "y", "z"]})
file = io.BytesIO()
pq.write_table(table, file)
file.seek(0)
answer = [pq.read_table(file).to_pydict(), pc.sum(table["a"]).as_py()]
# --- PIL
import io
from PIL import Image, ImageDraw, ImageFont
image = Image.new("RGB", (60, 30), "white")
ImageDraw.Draw(image).text((2, 2), "hi", fill="black", font=ImageFont.load_default())
answer = []
for kind in ("PNG", "JPEG", "WEBP", "GIF"):
    file = io.BytesIO()
    image.save(file, kind)
    file.seek(0)
    answer.append(list(Image.open(file).size))
# --- statsmodels
import numpy as np, pandas as pd, statsmodels.api as sm, statsmodels.formula.api as smf
x = np.arange(20.0)
frame = pd.DataFrame({"x": x, "y": 2 * x + 1 + np.sin(x)})
answer = [round(float(smf.ols("y ~ x", frame).fit().params["x"]), 6), round(float(sm.tsa.acf(x, nlags=2)[1]), 6)]
# --- xarray
import numpy as np, xarray as xr
data = xr.DataArray(np.arange(6.0).reshape(2, 3), dims=("x", "y"), coords={"x": [10, 20]})
answer = [data.sel(x=20).mean().item(), data.groupby("x").sum(...).values.tolist(), data.interp(x=15).values.tolist()]
# --- polars
import io, polars as pl
frame = pl.DataFrame({"a": [1, 2, 2], "b": ["x", "y", "z"]})
answer = [frame.group_by("a").agg(pl.col("b").count()).sort("a").rows(), pl.read_csv(io.StringIO("q\n5")).rows()]
# --- numba
import numba
@numba.njit
def add(n):
    total = 0
    for i in range(n):
        total += i
    return total
answer = int(add(100))
# --- skimage
import numpy as np
from skimage import data, filters, measure
image = data.camera()
answer = [list(image.shape), round(float(filters.sobel(image).mean()), 6), int(measure.label(image > 200).max())]
# --- h5py
import io, h5py, numpy as np
file = io.BytesIO()
with h5py.File(file, "w") as made:
    made.create_dataset("a", data=np.arange(5), compression="gzip")
with h5py.File(file, "r") as read:
    answer = read["a"][:].tolist()
# --- lxml
from lxml import etree, html
answer = [etree.tostring(etree.fromstring("<a><b/></a>")).decode(), html.fromstring("<p>x<b>y").text_content()]
answer += [etree.fromstring('<a><b c="1"/></a>').xpath("string(//b/@c)") + ""]
# --- astropy
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.time import Time
answer = [float((3 * u.km).to_value(u.m)), float(Time("2026-01-01").jd)]
answer += [round(float(SkyCoord(10 * u.deg, 20 * u.deg).galactic.l.deg), 6)]
# --- pydantic
import pydantic
class M(pydantic.BaseModel):
    a: int
answer = M(a="5").model_dump_json()
# --- attrs
import attrs
@attrs.define
class P:
    a: int = attrs.field(converter=int)
answer = P("5").a
# --- seaborn
import io, matplotlib, seaborn
matplotlib.use("Agg")
file = io.BytesIO()
seaborn.histplot([1, 2, 2, 3]).figure.savefig(file)
answer = len(file.getvalue()) > 2000
# --- yaml
import yaml
answer = yaml.safe_load("a: [1, 2]")
# --- bs4
import bs4
answer = bs4.BeautifulSoup("<p>x", "html.parser").p.text
"""
USES = dict(text.split("\n", 1) for text in TEXTS.split("# --- ")[1:])
"""By package, code that sets `answer` to plain data."""
ALSO = {"networkx": ("numpy", "scipy"), "xarray": ("scipy",)}
"""What a package imports only when it is used, if it is there."""


@dataclass
class Scientist(EmergeFile):
    def use(self, code: str) -> Any:
        scope: dict[str, Any] = {"__name__": "used"}
        exec(code, scope)
        return scope["answer"]


def call_of(code: str) -> RunCall:
    scientist = Scientist(name="one", path="/")
    bundles = capture(Scientist)
    pointer = {name: getattr(scientist, name) for name in METADATA}
    pointer |= {"class_name": "Scientist", "bundle": bundles[-1].hash}
    state = pack_state(scientist, lambda cls: bundles[-1].hash)
    return RunCall("/one", pointer, state, {each.hash: each.data for each in bundles}, "use", [code], {}, 60.0, "me")


async def try_package(name: str, code: str) -> str:
    """Use a package in the sandbox and here; tell how it went."""
    started = time.perf_counter()
    async with Pool(1, preload=(name, *ALSO.get(name, ()))) as pool:
        loaded = time.perf_counter() - started
        if pool.refusal:
            return pool.refusal
        first = time.perf_counter()
        there = (await pool.run(call_of(code))).result
        first = time.perf_counter() - first
    here = Scientist().use(code)
    if there != here:
        return f"WRONG: {there!r} there, {here!r} here"
    return f"works     loaded in {loaded:.1f} s, first call {first:.2f} s"


def main(names: Sequence[str] = ()) -> int:
    failed = 0
    distributions = metadata.packages_distributions()
    for name in names or USES:
        if importlib.util.find_spec(name) is None:
            print(f"{name:14} is not installed")
            continue
        version = metadata.version(distributions[name][0])
        try:
            text = asyncio.run(try_package(name, USES[name]))
        except EmergeError as error:
            text = f"FAILS: {error.message}"
        failed += not text.startswith("works")
        print(f"{name:14} {version:12} {text}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
