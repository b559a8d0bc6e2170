"""Cells that ask, that run again by themselves, and that do not stop; and the way from an error to its line."""

from __future__ import annotations

from playwright.sync_api import expect

from emerge_wasm import EmergeFile, connect
from tests.page.conftest import SLOW, Site, Tab


def test_a_cell_asks_for_input_and_only_it_waits(tab: Tab) -> None:
    page = tab.page
    secret = "await ainput('Password: ', secret=True)" if tab.engine == "webkit" else "getpass.getpass()"
    cell = tab.run(f"import getpass\nname = input('Who? ')\nsecret = {secret}\n(name, len(secret))", wait="running")
    field = cell.get_by_test_id("input")
    expect(field).to_contain_text("Who?")
    expect(field.get_by_role("textbox")).to_be_focused()
    tab.open("#/cluster/inventory/widget1")  # the page goes on meanwhile
    expect(tab.find("object-name")).to_contain_text("widget1")
    field.get_by_label("Who?").fill("Ada ❤")
    page.keyboard.press("Enter")
    expect(field).to_contain_text("Password")
    expect(field.locator("input")).to_have_attribute("type", "password")
    field.locator("input").fill("xyz")
    page.keyboard.press("Enter")
    expect(cell).to_have_attribute("data-state", "done", timeout=SLOW)
    expect(cell).to_contain_text("('Ada ❤', 3)")
    expect(cell.get_by_test_id("output")).to_contain_text("Who? Ada ❤")
    cell = tab.run("await ainput('more?')", wait="running")
    cell.get_by_test_id("input").get_by_role("textbox").press("Control+d")
    expect(cell).to_contain_text("EOFError", timeout=SLOW)
    cell = tab.run("input()", wait="running")
    tab.find("stop").click()
    expect(cell).to_contain_text("KeyboardInterrupt", timeout=SLOW)
    expect(cell.get_by_test_id("input")).to_have_count(0)
    expect(tab.find("notices").get_by_test_id("failure")).to_have_count(0)


LIVE = "live(lambda: sorted(each.name for each in fs.list('/inventory')))\nprint('once')"
AWAITED = """async def names():
    return sorted(each.name for each in await afs.list('/inventory'))
await live(names)
print('once')"""


def test_live_cells_follow_the_objects_that_they_read(site: Site, tab: Tab) -> None:
    value = tab.run(AWAITED if tab.engine == "webkit" else LIVE)
    count = "n = fs.cat('/inventory/widget1')['quantity_on_hand']"
    cell = tab.run(f"%live\n{count}\nfs.store(EmergeFile(name='seen', path='/inventory', data=n))\nn")
    expect(cell.get_by_test_id("live")).to_be_visible()
    with connect(site.node.host) as fs:
        fs.update("/inventory/widget1", quantity_on_hand=77)
        expect(cell.get_by_test_id("cell-value")).to_have_text("77", timeout=SLOW)
        fs.store(EmergeFile(name="zebra", path="/inventory"))
        expect(value).to_contain_text("zebra", timeout=SLOW)
        expect(value.get_by_test_id("output")).to_have_text("once")
        tab.page.wait_for_timeout(1_500)  # what it wrote itself does not set it going
        versions = len(fs.versions("/inventory/seen"))
        tab.page.wait_for_timeout(1_500)
        assert len(fs.versions("/inventory/seen")) == versions
        fs.rm("/inventory/widget1")
        expect(cell.get_by_test_id("failure")).to_be_visible(timeout=SLOW)
        fs.restore("/inventory/widget1")
        expect(cell.get_by_test_id("failure")).to_have_count(0, timeout=SLOW)
        # one pauses, or all do, and they go on with what has changed meanwhile
        cell.get_by_test_id("pause-live").click()
        fs.store(EmergeFile(name="yak", path="/inventory"))
        fs.update("/inventory/widget1", quantity_on_hand=79)
        expect(value).to_contain_text("yak", timeout=SLOW)
        expect(cell.get_by_test_id("live")).to_contain_text("what it reads has changed", timeout=SLOW)
        expect(cell.get_by_test_id("cell-value")).to_have_text("77")
        cell.get_by_test_id("pause-live").click()
        expect(cell.get_by_test_id("cell-value")).to_have_text("79", timeout=SLOW)
        tab.find("pause-all").click()
        fs.rm("/inventory/yak")
        expect(value.get_by_test_id("live")).to_contain_text("what it reads has changed", timeout=SLOW)
        expect(value).to_contain_text("yak")
        tab.find("pause-all").click()
        expect(value).not_to_contain_text("yak", timeout=SLOW)
        cell.get_by_test_id("stop-live").click()
        fs.update("/inventory/widget1", quantity_on_hand=78)
        fs.rm("/inventory/zebra")
        expect(value).not_to_contain_text("zebra", timeout=SLOW)
        expect(cell.get_by_test_id("cell-value")).to_have_text("79")


def test_an_error_leads_to_its_line_and_a_loop_that_does_not_stop_is_told(tab: Tab) -> None:
    tab.run("def first():\n    # here\n    return 1 / 0")
    cell = tab.run("try:\n    first()\nexcept ZeroDivisionError:\n    {}['missing']", wait="failed")
    text = cell.get_by_test_id("traceback")
    assert text.inner_text().count("ZeroDivisionError: ") == 1
    expect(text).to_contain_text("During handling")
    cell.get_by_test_id("frame").nth(1).click()
    assert tab.page.evaluate("getSelection().toString()").strip() == "return 1 / 0"

    code = "import time\nwhile True:\n    try:\n        while True: pass\n    except BaseException:\n        pass"
    cell = tab.run(code, wait="running")
    tab.find("stop").click()
    expect(cell.get_by_test_id("stubborn")).to_be_visible(timeout=SLOW)
    cell.get_by_test_id("stop-restart").click()
    expect(cell).to_have_attribute("data-state", "failed", timeout=SLOW)
    tab.ready()
    tab.run("1 + 1")
