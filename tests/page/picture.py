"""Pictures of the page for its documentation, and whether the page still looks like them, whatever its fonts are."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from playwright.sync_api import Page

from tests.conftest import ROOT

FOLDER = ROOT / "docs" / "pictures"
WRITE = os.environ.get("EMERGE_TEST_PICTURES") == "write"
ALIKE = 9  # of 255: how much the cells of a coarse grid may differ in the mean
COMPARE = """async (pictures) => {
    const grids = await Promise.all(pictures.map(async (data) => {
        const image = new Image();
        image.src = `data:image/png;base64,${data}`;
        await image.decode();
        const [width, height] = [48, 30];
        const brush = new OffscreenCanvas(width, height).getContext("2d");
        brush.imageSmoothingQuality = "high";
        brush.drawImage(image, 0, 0, width, height);
        return brush.getImageData(0, 0, width, height).data;
    }));
    const total = grids[0].reduce((sum, value, at) => sum + Math.abs(value - grids[1][at]), 0);
    return total / (grids[0].length * 0.75);
}"""


def difference(page: Page, one: bytes, other: bytes) -> float:
    """How much two pictures differ, from 0 to 255, seen from afar."""
    found: float = page.evaluate(COMPARE, [base64.b64encode(each).decode() for each in (one, other)])
    return found


def check_picture(page: Page, name: str) -> None:
    """Compare what is shown with docs/pictures/NAME.png; EMERGE_TEST_PICTURES=write takes it anew."""
    shown = page.screenshot(animations="disabled", caret="hide")
    file: Path = FOLDER / f"{name}.png"
    if WRITE:
        FOLDER.mkdir(exist_ok=True)
        file.write_bytes(shown)
    found = difference(page, file.read_bytes(), shown)
    assert found <= ALIKE, f"{name} differs by {found:.1f}: look at it, then EMERGE_TEST_PICTURES=write"
