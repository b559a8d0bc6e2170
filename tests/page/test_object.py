"""One object in the page: its state by forms, as one text and drawn, its rights, and two of its versions."""

from __future__ import annotations

import math
import sys
import time
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from emerge_wasm import EmergeFile, connect
from emerge_wasm.codec import Reference
from tests.page.conftest import SLOW, Fresh, Site, Tab

ORDER = '''"""Orders."""
from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum

from emerge_wasm import EmergeFile
from emerge_wasm.codec import Reference


class Colour(Enum):
    RED = 1
    DARK_BLUE = 2


@dataclass
class Line:
    sku: str
    count: int = 1
    colour: Colour = Colour.RED


@dataclass
class Order(EmergeFile):
    """An order."""

    customer: str = ""
    placed: date | None = None
    colour: Colour = Colour.RED
    lines: list[Line] = field(default_factory=list)
    seller: Reference | None = None
    number: int = 0
    stamp: datetime = datetime(2026, 1, 31, 10, 20)
    begins: time = time(8)
    price: Decimal = Decimal("1.10")
    lasts: timedelta = timedelta(days=1, hours=1)
    serial: int = 10**30
    curve: list[float] = field(default_factory=list)
    picture: bytes = b""
    note: str = ""

    def _repr_html_(self) -> str:
        return f"<b>{self.customer} has {len(self.lines)} lines</b>"
'''
GIF = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\0\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"


def test_an_object_is_edited_by_its_annotations(site: Site, swept: Tab, tmp_path: Path) -> None:
    tab, page = swept, swept.page
    fresh = Fresh(tmp_path, ORDER)
    made: Any = sys.modules[fresh.mark]
    with connect(site.node.host) as fs:
        anna, ben = (fs.store(EmergeFile(name=name, path="/people")) for name in ("anna", "بن 🙂"))
        order = made.Order(name="o", path="/orders", customer="Zoë", lines=[made.Line("a"), made.Line("b", 2)])
        order.seller, order.number, order.note = Reference(anna.uuid), "three", "# Title\n\n" + "x" * 150_000
        order.stamp = datetime(2026, 1, 31, 10, 20, 30, 123456, timezone(timedelta(hours=5, minutes=30)))
        order.curve, order.picture = [math.sin(n) for n in range(40)], GIF
        fs.store(order)
        wide = EmergeFile(name="wide", path="/orders")
        vars(wide).update({f"field_{n}": n for n in range(5000)})
        fs.store(wide)

    def label(name: str) -> Any:
        return page.get_by_label(name, exact=True)

    tab.open("#/cluster/orders/o")
    expect(page.locator('[data-field="number"] [data-testid="misfit"]')).to_contain_text("is not int")
    expect(tab.find("unused")).to_contain_text("id, data")
    label("Begin number anew as int").click()
    label("number").fill("3")
    label("colour").select_option("Colour.DARK_BLUE")
    label("Type of placed").select_option("date")
    label("placed").fill("2026-03-01")
    page.locator("#field-stamp").fill("2026-03-01T23:05:07")
    expect(tab.find("field-stamp-micro")).to_have_value("123456")
    expect(tab.find("field-stamp-zone").locator("option:checked")).to_have_text("UTC+05:30")
    page.locator("#field-begins").fill("09:45")
    expect(label("price")).to_have_value("1.10")
    label("price").fill("12,5")
    expect(page.locator('[data-field="price"]').get_by_role("alert")).to_contain_text("such as 12.50")
    label("price").fill("12.50")
    expect(label("lasts")).to_have_value("1 day, 1:00:00")
    label("lasts").fill("")
    label("lasts").press_sequentially("90 min")  # its text stays as it is while it is typed
    expect(label("lasts")).to_have_value("90 min")
    expect(page.locator('[data-field="lasts"]')).to_contain_text("that is 1:30:00")
    assert page.locator("#field-serial").evaluate("input => input.scrollWidth <= input.clientWidth")  # every digit
    expect(tab.find("object-header").get_by_test_id("sparkline")).to_have_count(1)
    label("Move lines[0] down").click()
    label("Add to lines").click()
    label("lines[2].sku").fill("it's")
    label("lines[2].colour").select_option("Colour.DARK_BLUE")
    label("Remove lines[1]").click()
    seller = label("seller: path of an object")
    expect(seller).to_have_value("/people/anna")
    seller.fill("/people/بن 🙂")
    seller.press("Enter")
    expect(label("Open /people/بن 🙂")).to_be_visible()
    tab.find("whole-note").click()
    whole = page.locator('.cm-content[data-testid="field-note"]')
    expect(whole).to_be_visible(timeout=SLOW)
    whole.press("Control+Home")
    page.keyboard.type("New ")
    for name, shown in (("curve", "canvas"), ("picture", "img")):
        tab.find(f"look-{name}").click()
        expect(tab.find(f"looked-{name}").locator(shown)).to_be_visible(timeout=SLOW)
    tab.find("save").click()
    expect(tab.find("status-save")).to_contain_text("Saved on the cluster", timeout=SLOW)
    with connect(site.node.host) as fs:
        read = fs.getobject("/orders/o")
        assert read.lines == [made.Line("b", 2), made.Line("it's", 1, made.Colour.DARK_BLUE)]
        assert (read.number, read.colour, read.seller) == (3, made.Colour.DARK_BLUE, Reference(ben.uuid))
        assert read.stamp.isoformat() == "2026-03-01T23:05:07.123456+05:30" and read.begins.isoformat() == "09:45:00"
        assert (read.price.as_tuple(), read.lasts) == (Decimal("12.50").as_tuple(), timedelta(minutes=90))
        assert read.placed.isoformat() == "2026-03-01" and read.note == "New # Title\n\n" + "x" * 150_000

    tab.find("state-python").click()
    text = page.locator('.cm-content[data-testid="state-text"]')
    expect(text).to_contain_text("Line(sku='b', count=2", timeout=SLOW)
    text.press("Control+End")
    page.keyboard.type("}")
    expect(tab.find("state-problem")).to_contain_text("no Python")
    expect(tab.find("state-form")).to_be_disabled()
    page.keyboard.press("Backspace")
    expect(tab.find("state-form")).to_be_enabled()
    expect(tab.find("edit-status")).to_have_text("Version 2 is stored on n1")
    tab.find("state-drawn").click()
    tab.find("draw").click()
    tab.find("consent-run").click()
    expect(tab.find("drawn")).to_contain_text("Zoë has 2 lines", timeout=SLOW)

    tab.find("tab-rights").click()
    expect(tab.find("rights-said")).to_contain_text("everybody else may do nothing")
    tab.find("may-2r").check()
    tab.find("rights-save").click()
    expect(tab.find("rights-save")).to_be_disabled()
    with connect(site.node.host) as fs:
        until = time.monotonic() + 10  # the button is disabled while it saves, too
        while fs.get("/orders/o").perms != "rwxr-xr--" and time.monotonic() < until:
            time.sleep(0.05)
        assert fs.get("/orders/o").perms == "rwxr-xr--"
        fs.update("/orders/o", customer="Yves")
    tab.find("tab-versions").click()
    tab.find("version-pair").locator("summary").click()
    tab.find("pair-first").fill("1")
    tab.find("pair-first").press("Tab")
    expect(tab.find("differences")).to_contain_text("customer")

    tab.open("#/cluster/people/بن 🙂")
    tab.find("referrers").locator("summary").click()
    expect(tab.find("referrers")).to_contain_text("/orders/o")
    tab.open("#/cluster/orders/wide")
    expect(tab.find("section")).to_have_count(100)
    assert page.locator("*").count() < 3000
    tab.find("find-field").fill("field_4321")
    expect(page.locator('[data-field="field_4321"] input')).to_have_value("4321")
