"""What helps while a cell is written: completion, signatures, documentation; and while Python computes."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.page.conftest import SLOW, Tab
from tests.page.test_kernels import LOOP

THING = """
class Thing:
    'A thing.'
    @property
    def danger(self): raise SystemExit
    def lift(self, height: int, *, slowly: bool = True) -> int:
        'Lifts it.'
        return height
thing = Thing()
"""


def write(tab: Tab, text: str) -> None:
    """Write in the prompt as a user does, in place of what is there."""
    prompt = tab.page.locator('.cm-content[data-testid="prompt"]')
    prompt.click()
    tab.page.keyboard.press("Escape")
    prompt.fill("")
    prompt.click()
    prompt.press_sequentially(text)


def test_what_is_written_is_completed_and_explained(tab: Tab) -> None:
    page = tab.page
    options = page.locator(".cm-tooltip-autocomplete li")
    prompt = page.locator('.cm-content[data-testid="prompt"]')
    tab.run(THING)

    write(tab, "thing.")  # members, whatever code stands behind them
    expect(options).to_contain_text(["danger", "lift"], timeout=SLOW)
    write(tab, "thing.li")
    expect(options.first).to_contain_text("lift")
    page.keyboard.press("Tab")
    expect(prompt).to_have_text("thing.lift")
    page.keyboard.type("(")
    about = tab.find("about")
    expect(about).to_contain_text("lift(height: int, *, slowly: bool = True)")
    expect(about.locator(".cm-active")).to_have_text("height: int")
    page.keyboard.press("Escape")
    expect(about).to_be_hidden()
    expect(prompt).to_be_focused()
    page.keyboard.press("Control+Shift+Space")
    expect(about).to_contain_text("Lifts it.")

    write(tab, 'fs.getobject("/inv')  # paths of the filesystem that it is
    expect(options).to_have_count(1)
    page.keyboard.press("Tab")
    expect(options.first).to_contain_text("widget1")  # it goes on into the directory
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(prompt).to_contain_text('fs.getobject("/inventory/widget1')
    write(tab, "fs.search(lambda each: each.unit")  # and fields of the classes that are there
    expect(options.first).to_contain_text("unit_price", timeout=SLOW)
    write(tab, "%time")
    expect(options).to_contain_text(["time", "timeit"])
    write(tab, 'local.list("/inv')
    page.keyboard.press("Control+Space")
    expect(options).to_have_count(0)

    write(tab, "thin")  # Enter chooses nothing that was not chosen, Shift+Enter runs
    expect(options.first).to_contain_text("thing")
    page.keyboard.press("Enter")
    page.keyboard.type("1")
    count = tab.find("cell").count()
    write(tab, "6 * 7")
    page.keyboard.press("Shift+Enter")
    expect(tab.find("cell").nth(count)).to_contain_text("42", timeout=SLOW)

    write(tab, "thing")  # what is under the pointer
    page.keyboard.press("Escape")
    prompt.locator("span, .cm-line").first.hover(position={"x": 30, "y": 8})
    expect(about).to_contain_text("Thing")
    prompt.fill("")


def test_while_python_computes_the_text_and_the_filesystems_still_tell(tab: Tab) -> None:
    options = tab.page.locator(".cm-tooltip-autocomplete li")
    tab.run(LOOP, wait="running")
    write(tab, 'cluster.list("/inv')
    expect(options.first).to_contain_text("inventory", timeout=SLOW)
    write(tab, "thing_too = ''\nthing_t")
    expect(options.first).to_contain_text("thing_too")
    tab.stop()
    tab.page.locator('.cm-content[data-testid="prompt"]').fill("")


def test_a_search_completes_the_fields_of_what_is_there(tab: Tab) -> None:
    page = tab.page
    tab.open("#/cluster/inventory?tab=search")
    field = tab.find("search-text").last
    field.press_sequentially("o.unit")
    options = tab.find("suggestions").locator("li:visible")
    expect(options).to_contain_text(["unit_price"], timeout=SLOW)
    page.keyboard.press("Tab")
    expect(field).to_have_value("o.unit_price")
    field.press_sequentially(" < 4 and o.na")
    expect(options.first).to_contain_text("name")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    field.press_sequentially(".upp")
    expect(options.first).to_contain_text("upper")
    page.keyboard.press("Escape")
    expect(options).to_have_count(0)
    field.press_sequentially("er() == 'WIDGET1'")
    page.keyboard.press("Enter")
    expect(tab.find("search-row")).to_have_count(1, timeout=SLOW)
