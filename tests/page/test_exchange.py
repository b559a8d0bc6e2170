"""Objects from forms and files, files from objects, cells that are edited, and copies to the other filesystem."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import FilePayload, expect

from emerge_wasm import EmergeFile, connect
from emerge_wasm.errors import NotFound
from tests.page.accessible import CONTRAST, problems
from tests.page.conftest import NOT_NARROW, SLOW, VIEWPORT, Site, Tab


@dataclass
class Lamp(EmergeFile):
    """Something that shines."""

    watts: float = 60.0
    label: str = ""
    made: date = date(2026, 1, 1)
    tags: list[str] = field(default_factory=list)

    def double(self) -> float:
        return 2 * self.watts


class Hue(Enum):
    RED = "red"
    DEEP = "deep blue"


@dataclass
class Sign(EmergeFile):
    """Has fields without a default."""

    hue: Hue = field(kw_only=True)
    spots: list[int] = field(kw_only=True)


@dataclass
class Bright(EmergeFile):
    """A query object."""

    results: list[str] = field(default_factory=list)

    def query(self, fs: Any) -> list[str]:
        return [lamp.name for lamp in fs.search("o.watts > 15", "/lamps", order_by="watts")]


@pytest.fixture
def stored(shared_site: Site, shared_tab: Tab) -> Tab:
    """/lamps with l0 … l3, on the cluster."""
    with connect(shared_site.node.host) as fs:
        shared_site.clear()
        fs.storeall([Lamp(name=f"l{n}", path="/lamps", watts=10.0 * n, label=f"no {n}") for n in range(4)])
    shared_tab.ready()
    shared_tab.open("#/cluster/")
    return shared_tab


def choose_file(tab: Tab, name: str, text: str) -> None:
    tab.find("choose-import").set_input_files([{"name": name, "mimeType": "text/plain", "buffer": text.encode()}])
    expect(tab.find("import-preview")).to_be_visible(timeout=SLOW)


def looked_at(tab: Tab) -> list[str]:
    """What axe finds amiss, by night and by day; and whether all of it is within a phone's width."""
    found = problems(tab.page, "dark", CONTRAST) + problems(tab.page)
    tab.page.set_viewport_size({"width": 390, "height": 800})
    cut_off = tab.page.locator(".dialog").evaluate("dialog => dialog.scrollWidth - dialog.clientWidth")
    found += [f"{cut_off} px are cut off"] if cut_off > 0 else []
    tab.page.set_viewport_size(VIEWPORT)
    return found


@pytest.mark.not_webkit(reason=NOT_NARROW)
def test_a_new_object_is_made_from_a_form(stored: Tab, shared_site: Site) -> None:
    tab = stored
    tab.open("#/cluster/lamps")
    tab.find("create-object").click()
    expect(tab.find("class-Lamp")).to_be_checked(timeout=SLOW)
    tab.find("new-path").fill("/lamps/bright")
    tab.find("field-watts").fill("much")
    tab.find("new-create").click()
    expect(tab.find("problem-watts")).to_contain_text("A number")
    assert looked_at(tab) == []
    tab.find("field-watts").fill("100")
    tab.find("field-label").fill('it\'s "new"')
    tab.find("new-create").click()
    expect(tab.find("object-name")).to_have_text("bright")
    with connect(shared_site.node.host) as fs:
        lamp = fs.getobject("/lamps/bright")
        assert lamp == Lamp(name="bright", path="/lamps", watts=100.0, label='it\'s "new"')
        tab.find("undo").click()
        expect(tab.find("made")).to_contain_text("Undone")
        assert [pointer.name for pointer in fs.list("/lamps")] == ["l0", "l1", "l2", "l3"]
        tab.fill_record("/plain", "amount", "int", "7")
        tab.find("new-create").click()
        expect(tab.find("object-name")).to_have_text("plain")
        assert fs.cat("/plain.amount") == 7
        fs.rm("/plain")


def test_fields_are_edited_by_their_annotations_wherever_they_are(stored: Tab, shared_site: Site) -> None:
    """Those without a default in the form of a new object, and those in the cells of a table."""
    tab = stored
    with connect(shared_site.node.host) as fs:
        fs.store(Sign(name="s0", path="/signs", hue=Hue.RED, spots=[]))
        tab.open("#/cluster/signs")
        tab.find("create-object").click()
        expect(tab.find("class-Sign")).to_be_checked(timeout=SLOW)
        tab.find("new-path").fill("/signs/s1")
        tab.find("new-create").click()
        expect(tab.find("problem-hue")).to_contain_text("no default")
        form = tab.find("new-fields")
        form.get_by_label("hue", exact=True).select_option("DEEP")
        form.get_by_role("button", name="Add to spots").click()
        form.locator('[data-value="spots[0]"] input').fill("7")
        tab.find("new-create").click()
        expect(tab.find("object-name")).to_have_text("s1")
        made = fs.getobject("/signs/s1")
        assert (made.hue, made.spots) == (Hue.DEEP, [7])
        tab.open("#/cluster/signs")
        expect(tab.find("listed")).to_have_count(2, timeout=SLOW)
        cell = tab.find("listed").nth(0).locator('[data-column="field:hue"]')
        expect(cell).to_have_text("Hue.RED")
        tab.double_click(cell)
        tab.find("cell-editor").get_by_label("hue of s0", exact=True).select_option("DEEP")
        tab.page.keyboard.press("Enter")
        expect(cell).to_have_text("Hue.DEEP")
        assert fs.getobject("/signs/s0").hue is Hue.DEEP


@pytest.mark.not_webkit(reason=NOT_NARROW)
def test_a_table_comes_in_is_undone_and_goes_out(stored: Tab, shared_site: Site) -> None:
    tab = stored
    with connect(shared_site.node.host) as fs:
        tab.open("#/cluster/lamps")
        choose_file(
            tab, "more.csv", "name;Watts;made;odd\nl0;1;2026-05-01;x\nnew;2.5;2026-05-02;y\nbad;many;2026-05-03;z\n"
        )
        tab.find("class-Lamp").click()
        expect(tab.find("field-of-Watts")).to_have_value("watts")
        expect(tab.find("field-of-odd")).to_have_value("")
        expect(tab.find("import-refused")).to_contain_text("line 4: Watts: 'many' is not a number")
        assert looked_at(tab) == []
        tab.find("import-taken").select_option("both")
        tab.find("import-go").click()
        expect(tab.find("made")).to_contain_text("Imported 2 objects, 1 row left out")
        assert [pointer.name for pointer in fs.list("/lamps")] == ["l0", "l0 2", "l1", "l2", "l3", "new"]
        new = fs.getobject("/lamps/new")
        assert new == Lamp(name="new", path="/lamps", watts=2.5, made=date(2026, 5, 2)) and new.double() == 5.0
        tab.find("undo").click()
        expect(tab.find("made")).to_contain_text("Undone")
        assert [pointer.name for pointer in fs.list("/lamps")] == ["l0", "l1", "l2", "l3"]

        before = {pointer.name: fs.cat(pointer.full_path) for pointer in fs.list("/lamps")}
        files: dict[str, bytes] = {}
        tab.find("export").click()
        expect(tab.find("export-csv")).to_be_visible()
        assert problems(tab.page, "light", ["region", "color-contrast"]) == []
        tab.page.keyboard.press("Escape")
        for format in ("csv", "jsonl", "emerge"):
            tab.find("export").click()
            with tab.page.expect_download() as download:
                tab.find(f"export-{format}").click()
            files[format] = Path(download.value.path()).read_bytes()
            expect(tab.find("exported")).to_contain_text(f"to lamps.{format}")
        assert len(list(csv.DictReader(io.StringIO(files["csv"].decode())))) == 4
        assert json.loads(files["jsonl"].splitlines()[1])["watts"] == 10.0
        tab.find("dismiss-export").click()
        fs.rm("/lamps", recursive=True)
        fs.mkdir("/lamps")
        tab.find("choose-import").set_input_files(
            [{"name": "lamps.emerge", "mimeType": "application/zip", "buffer": files["emerge"]}]
        )
        tab.find("import-go").click()
        expect(tab.find("made")).to_contain_text("Imported 4 objects")
        assert {pointer.name: fs.cat(pointer.full_path) for pointer in fs.list("/lamps")} == before
        tab.find("dismiss-made").click()


def test_a_table_is_imported_from_the_start_into_a_directory_of_its_own(stored: Tab, shared_site: Site) -> None:
    tab = stored
    tab.open("#/")
    rows: FilePayload = {"name": "bulbs.csv", "mimeType": "text/plain", "buffer": b"name,watts\nb1,1\nb2,2\n"}
    tab.find("start-import").set_input_files([rows])
    expect(tab.find("import-into")).to_have_value("/bulbs")
    tab.find("import-into").fill("/house/bulbs")
    expect(tab.find("import-go")).to_have_text("Import 2 objects", timeout=SLOW)
    tab.find("import-go").click()
    expect(tab.find("object-path")).to_have_attribute("data-path", "/house/bulbs")
    expect(tab.find("listed")).to_have_count(2, timeout=SLOW)
    with connect(shared_site.node.host) as fs:
        assert [pointer.full_path for pointer in fs.tree("/house")] == [
            "/house/bulbs",
            "/house/bulbs/b1",
            "/house/bulbs/b2",
        ]
    tab.find("dismiss-made").click()


def test_a_cell_is_edited_where_it_stands(stored: Tab, shared_site: Site) -> None:
    tab = stored
    with connect(shared_site.node.host) as fs:
        tab.open("#/cluster/lamps")
        expect(tab.find("listed")).to_have_count(4, timeout=SLOW)
        cell = tab.find("listed").nth(1).locator('[data-column="field:watts"]')
        tab.double_click(cell)
        tab.find("cell-input").fill("x")
        tab.page.keyboard.press("Enter")
        expect(tab.find("cell-problem")).to_contain_text("A number")
        tab.find("cell-input").fill("11.5")
        tab.page.keyboard.press("Tab")
        expect(
            tab.find("listed").nth(1).locator('[data-column="field:label"]').get_by_test_id("cell-input")
        ).to_be_focused()
        assert fs.cat("/lamps/l1.watts") == 11.5
        tab.find("cell-input").fill("mine")
        fs.update("/lamps/l1", label="theirs")
        tab.page.keyboard.press("Enter")
        expect(tab.find("cell-problem")).to_contain_text("it is theirs now")
        tab.page.keyboard.press("Enter")
        expect(tab.find("cell-editor")).to_have_count(0)
        assert fs.cat("/lamps/l1.label") == "mine"
        tab.find("undo").click()
        expect(tab.find("made")).to_contain_text("Undone")
        assert fs.cat("/lamps/l1.label") == "theirs"
        tab.find("listed").nth(2).get_by_role("button").first.focus()
        tab.page.keyboard.press("F2")
        tab.page.keyboard.press("Escape")
        expect(tab.find("cell-editor")).to_have_count(0)
        tab.find("dismiss-made").click()


@pytest.mark.only_chromium(reason="Firefox's driver does not drag")
def test_what_is_copied_to_this_browser_is_the_same_there(stored: Tab) -> None:
    tab = stored
    row = tab.find("tree-cluster").locator('[data-path="/lamps"]')
    row.drag_to(tab.find("tree-local").locator('[data-path="/"]'))
    expect(tab.find("dialog-path")).to_have_value("/lamps")
    expect(tab.find("to-local")).to_be_checked()
    tab.find("dialog-confirm").click()
    expect(tab.find("made")).to_contain_text("Copied lamps to this browser", timeout=SLOW)
    tab.run("a, b = local.get('/lamps/l2'), cluster.get('/lamps/l2')")
    cell = tab.run("(local.cat('/lamps/l2') == cluster.cat('/lamps/l2'), a.bundle == b.bundle, a.uuid == b.uuid)")
    expect(cell).to_contain_text("(True, True, False)")
    tab.find("undo").click()
    expect(tab.find("made")).to_contain_text("Undone")
    expect(tab.find("tree-local").locator('[data-path="/lamps"]')).to_have_count(0)
    tab.find("dismiss-made").click()


def test_a_search_is_saved_and_what_was_removed_comes_back(stored: Tab, shared_site: Site) -> None:
    tab = stored
    with connect(shared_site.node.host) as fs:
        tab.open("#/cluster/lamps")
        expect(tab.find("listed")).to_have_count(4, timeout=SLOW)
        tab.find("filters").click()
        tab.find("filter-field:watts").fill("15..35")
        expect(tab.find("listed")).to_have_count(2)
        tab.find("sort-field:watts").click()
        tab.find("sort-field:watts").click()
        tab.find("save-query").click()
        tab.find("query-path").fill("/queries/bright")
        tab.find("query-make").click()
        expect(tab.find("object-name")).to_have_text("bright")
        expect(tab.find("query-row")).to_have_count(2, timeout=SLOW)
        expect(tab.find("query-row").first).to_contain_text("l3")
        fs.store(Lamp(name="l4", path="/lamps", watts=34.0))
        expect(tab.find("query-row")).to_have_count(3)
        expect(tab.find("query-save")).to_have_count(0)
        assert fs.getobject("/queries/bright").query(fs) == ["/lamps/l4", "/lamps/l3", "/lamps/l2"]
        assert fs.query("/queries/bright") == ["/lamps/l4", "/lamps/l3", "/lamps/l2"]

        fs.store(Bright(name="own", path="/queries"))
        tab.open("#/cluster/queries/own?tab=methods")
        tab.find("run-query").click()  # where it lives, and it keeps what it found
        expect(tab.find("object-version")).to_have_text("2")
        expect(tab.find("runs")).to_contain_text("['l2', 'l3', 'l4']")
        assert fs.cat("/queries/own")["results"] == ["l2", "l3", "l4"]

        before = fs.cat("/lamps/l1")
        fs.rm("/lamps/l1")
        fs.rm("/lamps/l4")
        fs.rm("/queries", recursive=True)
        tab.open("#/cluster/")
        tab.find("tab-earlier").click()
        rows = tab.find("removed-row")  # what other tests removed is among them
        lamp, queries = rows.filter(has_text="/lamps/l1 "), rows.filter(has_text="/queries ")
        expect(queries).to_contain_text("directory with what was in it", timeout=SLOW)
        lamp.get_by_test_id("bring-back").click()
        expect(lamp).to_have_count(0)
        assert fs.cat("/lamps/l1") == before
        queries.get_by_test_id("bring-back").click()
        expect(queries).to_have_count(0)
        assert fs.getobject("/queries/bright").below == "/lamps"
        purged = rows.filter(has_text="/lamps/l4 ")
        purged.get_by_test_id("purge").click()
        expect(tab.find("purge-dialog")).to_contain_text("/lamps/l4")
        tab.find("purge-confirm").click()
        expect(purged).to_have_count(0)
        with pytest.raises(NotFound):
            fs.restore("/lamps/l4")
        tab.find("dismiss-made").click()
