"""Which scientific packages work in the sandbox: `python -m bench.packages [NAME…]`, for those that are installed.

Each is preloaded into a zygote of its own, then used in a worker and here; the two answers must be the same. The packages
are too large for this project's own environment: install them, and this project, in one that you throw away.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import time
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

USES = {
    "numpy": "import numpy as np; rng = np.random.default_rng(1)\nanswer = float(np.linalg.inv(rng.random((50, 50))).sum())",
    "scipy": "from scipy import optimize, stats, fft, integrate, sparse, signal\n"
    "answer = [round(float(optimize.brentq(lambda x: x**3 - 2, 0, 2)), 9), float(stats.norm.cdf(1.0)),\n"
    "    round(integrate.quad(lambda x: x * x, 0, 3)[0], 9), float(abs(fft.fft([1, 2, 3])[1]))]",
    "pandas": "import io, pandas as pd\nframe = pd.read_csv(io.StringIO('d,a,b\\n2026-01-01,1,x\\n2026-02-01,2,y'),"
    " parse_dates=['d'])\nanswer = [frame.groupby('b').a.sum().to_dict(),"
    " frame.d.dt.tz_localize('Europe/Berlin').iloc[0].isoformat(), frame.to_json()]",
    "matplotlib": "import io, matplotlib; matplotlib.use('Agg')\nfrom matplotlib import pyplot as plt\n"
    "figure, axes = plt.subplots(); axes.plot([1, 2, 3], label='$x^2$ ä'); axes.legend(); axes.set_title('Title')\n"
    "file = io.BytesIO(); figure.savefig(file, format='png'); pdf = io.BytesIO(); figure.savefig(pdf, format='pdf')\n"
    "answer = [file.getvalue()[:4].hex(), len(file.getvalue()) > 5000, len(pdf.getvalue()) > 5000]",
    "sklearn": "from sklearn.datasets import load_iris; from sklearn.ensemble import RandomForestClassifier\n"
    "from sklearn.cluster import KMeans; x, y = load_iris(return_X_y=True)\n"
    "answer = [round(RandomForestClassifier(10, random_state=1).fit(x, y).score(x, y), 6),"
    " len(set(KMeans(3, random_state=1, n_init=1).fit_predict(x)))]",
    "sympy": "import sympy; x = sympy.symbols('x')\n"
    "answer = [str(sympy.integrate(sympy.sin(x) ** 2, x)), str(sympy.solve(x**2 - 2, x)), sympy.latex(x**2)]",
    "networkx": "import networkx as nx; graph = nx.karate_club_graph()\n"
    "answer = [nx.shortest_path_length(graph, 0, 33), round(sum(nx.pagerank(graph).values()), 6)]",
    "shapely": "from shapely import wkt; from shapely.ops import unary_union; from shapely.geometry import Point\n"
    "answer = [round(unary_union([Point(0, 0).buffer(1), Point(1, 0).buffer(1)]).area, 9), wkt.loads('POINT (1 2)').x]",
    "pyproj": "import pyproj, threading; crs = pyproj.CRS.from_epsg(2056)\nmove = lambda: pyproj.Transformer.from_crs("
    "4326, 2056, always_xy=True).transform(8.5, 47.4)\nfound = []\nthread = threading.Thread(target=lambda:"
    " found.append(move())); thread.start(); thread.join()\n"
    "answer = [crs.name, *map(round, move()), *map(round, found[0]), round(pyproj.Geod(ellps='WGS84').inv(8, 47, 9, 48)[2])]",
    "geopandas": "import geopandas; from shapely.geometry import Point\nframe = geopandas.GeoDataFrame({'a': ['x', 'y']},"
    " geometry=[Point(8, 47), Point(9, 48)], crs=4326)\nmoved = frame.to_crs(2056)\n"
    "answer = [round(moved.distance(moved.geometry.iloc[0]).iloc[1]), frame.to_json()[:40],"
    " len(geopandas.sjoin(frame, frame))]",
    "pyarrow": "import pyarrow as pa, pyarrow.compute as pc, pyarrow.parquet as pq, io\n"
    "table = pa.table({'a': [1, 2, 3], 'b': ['x', 'y', 'z']}); file = io.BytesIO(); pq.write_table(table, file)\n"
    "file.seek(0); answer = [pq.read_table(file).to_pydict(), pc.sum(table['a']).as_py()]",
    "PIL": "import io; from PIL import Image, ImageDraw, ImageFont\nimage = Image.new('RGB', (60, 30), 'white')\n"
    "ImageDraw.Draw(image).text((2, 2), 'hi', fill='black', font=ImageFont.load_default())\nanswer = []\n"
    "for kind in ('PNG', 'JPEG', 'WEBP', 'GIF'):\n    file = io.BytesIO(); image.save(file, kind); file.seek(0)\n"
    "    answer.append(list(Image.open(file).size))",
    "statsmodels": "import numpy as np, statsmodels.api as sm, statsmodels.formula.api as smf, pandas as pd\n"
    "x = np.arange(20.0); frame = pd.DataFrame({'x': x, 'y': 2 * x + 1 + np.sin(x)})\n"
    "answer = [round(float(smf.ols('y ~ x', frame).fit().params['x']), 6),"
    " round(float(sm.tsa.acf(x, nlags=2)[1]), 6)]",
    "xarray": "import numpy as np, xarray as xr\n"
    "data = xr.DataArray(np.arange(6.0).reshape(2, 3), dims=('x', 'y'), coords={'x': [10, 20]})\n"
    "answer = [data.sel(x=20).mean().item(), data.groupby('x').sum(...).values.tolist(), data.interp(x=15).values.tolist()]",
    "polars": "import io, polars as pl; frame = pl.DataFrame({'a': [1, 2, 2], 'b': ['x', 'y', 'z']})\n"
    "answer = [frame.group_by('a').agg(pl.col('b').count()).sort('a').rows(),"
    " frame.lazy().filter(pl.col('a') > 1).collect().height, pl.read_csv(io.StringIO('q\\n5')).rows()]",
    "numba": "import numba\n@numba.njit\ndef add(n):\n    total = 0\n    for i in range(n):\n        total += i\n    return total\n"
    "answer = int(add(100))",
    "skimage": "import numpy as np; from skimage import data, filters, measure\n"
    "image = data.camera(); edges = filters.sobel(image)\n"
    "answer = [list(image.shape), round(float(edges.mean()), 6), int(measure.label(image > 200).max())]",
    "h5py": "import io, h5py, numpy as np; file = io.BytesIO()\nwith h5py.File(file, 'w') as made:\n"
    "    made.create_dataset('a', data=np.arange(5), compression='gzip')\n"
    "with h5py.File(file, 'r') as read:\n    answer = read['a'][:].tolist()",
    "lxml": "from lxml import etree, html\n"
    "answer = [etree.tostring(etree.fromstring('<a><b/></a>')).decode(), html.fromstring('<p>x<b>y').text_content(),"
    " etree.fromstring('<a><b c=\"1\"/></a>').xpath('//b/@c')]",
    "astropy": "from astropy import units as u; from astropy.time import Time; from astropy.coordinates import SkyCoord\n"
    "answer = [round((3 * u.km).to_value(u.m), 6), Time('2026-01-01').jd,"
    " round(SkyCoord(10 * u.deg, 20 * u.deg).galactic.l.deg, 6)]",
    "pydantic": "import pydantic\nclass M(pydantic.BaseModel):\n    a: int\nanswer = M(a='5').model_dump_json()",
    "attrs": "import attrs\n@attrs.define\nclass P:\n    a: int = attrs.field(converter=int)\nanswer = P('5').a",
    "seaborn": "import io, seaborn, matplotlib; matplotlib.use('Agg')\n"
    "file = io.BytesIO(); seaborn.histplot([1, 2, 2, 3]).figure.savefig(file)\nanswer = len(file.getvalue()) > 2000",
    "yaml": "import yaml\nanswer = yaml.safe_load('a: [1, 2]')",
    "bs4": "import bs4\nanswer = bs4.BeautifulSoup('<p>x', 'html.parser').p.text",
}
"""By package, code that sets `answer` to plain data."""


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
    async with Pool(1, preload=(name,)) as pool:
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


def main(names: list[str]) -> int:
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
            text = f"FAILS: {error}"
        failed += not text.startswith("works")
        print(f"{name:14} {version:12} {text}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
