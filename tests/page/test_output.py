"""What cells show: values by their representations, in order, and never at the page's cost."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.page.conftest import SLOW, Site, Tab

VALUES = """
from IPython.display import HTML, Image, JSON, Latex, Markdown, SVG, display, clear_output
print("begun")
display(HTML("<b>bold</b><img src=x><a href='javascript:window.bad=2'>a</a>"))
display(Markdown("# Head\\n\\nText with $x^2$ and `$y$`.\\n\\n- item\\n\\n<script>window.bad = 3</script>"
    '\\n\\n[$z$](#x "of $z^2$ ⟦9⟧") '
    '[b](#x "$\\\\bad" onpointerenter="window.bad=4" style="position:fixed;inset:0" class="hole$")'))
display(SVG("<svg xmlns='http://www.w3.org/2000/svg' width='40' height='20'><rect width='40' height='20'/></svg>"))
print("between")
display(Latex("$$\\\\frac{1}{2}$$"))
display({"rows": [list(range(30)), {"a": {"b": "deep"}}], "text": "x" * 100})
class Half:
    def __repr__(self): return "half"
    def _repr_html_(self): raise RuntimeError("no such page")
Half()
"""
SCRIPTED = """
from IPython.display import HTML
HTML('''<style>p { color: rgb(1, 2, 3) }</style><p id=p>still</p><script>
let said = [];
try { said.push(localStorage.length) } catch (error) { said.push("no storage") }
try { said.push(parent.document.title) } catch (error) { said.push("no parent") }
fetch("/healthz").then(() => said.push("net"), () => said.push("no net")).then(() => {
  document.getElementById("p").textContent = said.join(", ");
  document.getElementById("p").style.height = "200px";
});
</script>''')
"""


def test_values_are_shown_as_what_they_are(site: Site, tab: Tab) -> None:
    cell = tab.run(VALUES)
    expect(cell.get_by_test_id("output")).to_have_count(2)
    markup = cell.get_by_test_id("markup")
    expect(markup.nth(0).locator("b")).to_have_text("bold", timeout=SLOW)
    expect(markup.nth(0).locator("[href^=javascript], img[src]")).to_have_count(0)
    expect(markup.nth(1).locator("h1")).to_have_text("Head")
    expect(markup.nth(1).locator("math")).to_have_text(["x2", "z"])  # and not its source beside it, which Firefox shows
    expect(markup.nth(1).locator("code")).to_have_text("$y$")
    expect(markup.nth(1).locator("a").first).to_have_attribute("title", "of $z^2$ ⟦9⟧")
    expect(markup.nth(1).locator("[style], [onpointerenter]")).to_have_count(0)
    expect(markup.nth(2).locator("mfrac")).to_have_count(1)
    assert cell.get_by_test_id("value-picture").evaluate("picture => picture.naturalWidth") == 40
    expect(cell.get_by_test_id("value-tree")).to_contain_text("rows")
    expect(cell.get_by_test_id("broken")).to_contain_text("_repr_html_ failed: RuntimeError: no such page")
    expect(cell.get_by_test_id("cell-value")).to_have_text("half")
    kinds = cell.locator(".out > *").evaluate_all("all => all.map(each => each.dataset.testid)")
    assert kinds.index("output") == 0 and kinds[1:4] == ["value"] * 3 and kinds[4] == "output"
    assert tab.page.evaluate("window.bad") is None

    bold = cell.get_by_test_id("value").first  # the plain view is one key away
    bold.press("p")
    expect(bold.get_by_test_id("value-text")).to_have_text("<HTML>")
    bold.press("p")
    expect(bold.locator("b")).to_have_text("bold")

    frame = tab.run(SCRIPTED).frame_locator("iframe")  # scripts run where there is nothing to reach
    expect(frame.locator("p")).to_have_text("no storage, no parent, no net", timeout=SLOW)
    expect(frame.locator("p")).to_have_css("color", "rgb(1, 2, 3)")
    expect(tab.find("output-frame")).to_have_attribute("style", re.compile(r"height: [2-9]\d\dpx"))
    inside = tab.find("output-frame").element_handle().content_frame()
    assert inside is not None
    inside.wait_for_function("document.documentElement.scrollHeight <= innerHeight")  # nothing is cut off

    rows = tab.run("fs.mkdir('/inventory/more'); fs.list('/inventory')")
    expect(rows.get_by_test_id("value-row")).to_have_count(2)
    rows.get_by_test_id("sort-0").click()
    rows.get_by_test_id("sort-0").click()
    expect(rows.get_by_test_id("value-row").first).to_contain_text("widget1")
    rows.get_by_role("button", name="widget1").click()
    expect(tab.find("object-name")).to_have_text("widget1")

    long = tab.run("list(range(20_000))")
    expect(long.get_by_test_id("unfold")).to_be_visible()
    bar = tab.run("for n in range(3000): print(f'\\r{n}', end='')\nclear_output(wait=True)\nprint('over')")
    expect(bar.get_by_test_id("output")).to_have_text("over")
    handle = tab.run("h = display(0, display_id=True)\nfor n in range(40): h.update(n)")
    expect(handle.get_by_test_id("value-text")).to_have_text("39")
