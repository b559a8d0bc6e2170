"""Code of others in the page: asked for once, and closed in so that it reaches only the filesystem it is given."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from emerge_wasm import connect
from tests.page.conftest import NO_STOP, SLOW, Fresh, Site, Tab
from tests.scale import in_turn

PROBE = Path(__file__).with_name("probe.py").read_text()


@pytest.fixture
def fresh(tmp_path: Path) -> Fresh:
    """The classes of probe.py."""
    return Fresh(tmp_path, PROBE)


@pytest.fixture
def foreign(site: Site, swept: Tab, fresh: Fresh) -> Tab:
    """/shared/probe and /shared/loud of mallory, /shared/own of the user, on the cluster."""
    Probe, Loud = fresh["Probe"], fresh["Loud"]
    with connect(site.node.host) as fs:
        fs.with_umask(0).mkdir("/shared")
        mallory = fs.as_user("mallory").with_umask(0)
        mallory.store(Probe(name="probe", path="/shared"))
        loud = object.__new__(Loud)
        loud.__dict__.update(id="loud", name="loud", path="/shared", data="", heard=[], price=2.0)
        mallory.store(loud)
        fs.store(Probe(name="own", path="/shared"))
    return swept


def run_here(tab: Tab, path: str, method: str, args: str = "") -> None:
    tab.open(f"#/cluster{path}?tab=methods")
    if args:
        tab.find(f"args-{method}").fill(args)
    tab.find(f"run-here-{method}").click()


def result(tab: Tab) -> Locator:
    expect(tab.find("run").first).to_have_attribute("aria-busy", "false", timeout=3 * SLOW)  # it starts a Python
    failure = tab.find("run").first.get_by_test_id("failure")
    assert not failure.count(), failure.first.inner_text()
    return tab.find("run-result").first


def test_code_of_another_author_reaches_nothing(site: Site, foreign: Tab) -> None:
    url = site.relay.found["url"]
    answered: list[str] = []
    foreign.page.on("response", lambda response: answered.append(response.url))
    run_here(foreign, "/shared/probe", "probe", repr(url))
    expect(foreign.find("consent-owner")).to_have_text("mallory")
    expect(foreign.find("consent-author")).to_contain_text("mallory")
    expect(foreign.find("consent-place")).to_contain_text("Closed in")
    foreign.find("consent-run").click()
    found = ast.literal_eval(result(foreign).inner_text())
    if foreign.engine == "webkit":  # each worker has a cache of its own there, which ends with it: an empty one
        assert [found.pop(name) for name in ("caches", "python caches.keys")] == ["GOT ", "GOT "]
    got = {name: said for name, said in found.items() if str(said).startswith("GOT")}
    assert not got
    assert found.pop("origin") == found.pop("python origin") == "null"
    assert found.pop("heard") == "nothing"
    assert len(found) == (14 if foreign.engine == "webkit" else 16)
    assert all(str(said).startswith("no:") for said in found.values())
    expect(foreign.find("output").first).to_contain_text("said from inside")
    with connect(site.node.host) as fs:  # what it changed is a version of it
        assert fs.cat("/shared/probe.count") == 1
    assert not [url for url in answered if url.endswith(("/healthz", "/session", "/sw.js"))]


def test_the_same_attacks_succeed_in_the_tab_itself(site: Site, foreign: Tab) -> None:
    """The probe can fail: the user's own object runs in the tab, where there is a session and a storage."""
    url = site.relay.found["url"]
    run_here(foreign, "/shared/own", "probe", f"{url!r}, nested=False")
    expect(foreign.find("consent-place")).to_contain_text("In this tab")
    foreign.find("consent-run").click()
    found = ast.literal_eval(result(foreign).inner_text())
    assert found.pop("python origin") == url
    if foreign.engine == "webkit":
        assert found.pop("python navigator.storage.getDirectory") == "no: storage"  # it has none
    assert len(found) == (3 if foreign.engine == "webkit" else 4)
    assert all(said.startswith("GOT") for said in found.values())


def test_what_it_is_given_is_the_filesystem_as_its_owner_sees_it_too(foreign: Tab) -> None:
    """And all that the user sees, where they say so."""
    method = "around" if foreign.engine == "webkit" else "neighbours"  # it cannot wait inside Python
    run_here(foreign, "/shared/probe", method)
    foreign.find("consent-run").click()
    expect(result(foreign)).to_have_text("['loud', 'probe']")
    expect(foreign.find("as-me-note")).to_contain_text("both you and mallory")
    foreign.find("as-me").check()
    foreign.find("clear-runs").click()
    foreign.find(f"run-here-{method}").click()
    expect(result(foreign)).to_have_text("['loud', 'own', 'probe']")
    foreign.open("#/cluster/shared/own?tab=methods")
    expect(foreign.find(f"run-here-{method}")).to_be_visible()
    expect(foreign.find("as-me")).to_have_count(0)


def test_it_is_asked_once_for_a_version_of_a_class(site: Site, foreign: Tab) -> None:
    run_here(foreign, "/shared/loud", "speak")
    expect(foreign.find("consent-source")).to_contain_text("class Loud")
    foreign.find("consent-cancel").click()
    expect(foreign.find("failure")).to_contain_text("PermissionDenied")
    run_here(foreign, "/shared/loud", "speak")
    expect(foreign.find("consent-always")).not_to_be_checked()
    foreign.find("consent-always").check()
    foreign.find("consent-run").click()
    expect(foreign.find("failure").first).to_contain_text("speak ran", timeout=3 * SLOW)  # it starts a Python
    foreign.page.reload()
    foreign.ready()
    run_here(foreign, "/shared/loud", "speak")
    expect(foreign.find("failure").first).to_contain_text("speak ran", timeout=3 * SLOW)  # it starts a Python
    expect(foreign.find("consent")).to_have_count(0)


def test_looking_runs_nothing(foreign: Tab, fresh: Fresh) -> None:
    foreign.open("#/cluster/shared")
    expect(foreign.find("directory-count")).to_contain_text("3")
    for name in ("state", "methods", "source", "versions"):
        foreign.open(f"#/cluster/shared/loud?tab={name}")
        expect(foreign.find(f"panel-{name}")).to_be_visible()
    loaded = f"[{fresh.mark!r} in str(one.__doc__) for one in EmergeFile.__subclasses__()]"
    cell = foreign.run(f"[len(cluster.list('/shared')), any({loaded}), cluster.cat('/shared/loud.price')]")
    expect(cell.get_by_test_id("cell-value")).to_have_text("[3, False, 2.0]")
    expect(foreign.find("consent")).to_have_count(0)


def test_a_cell_waits_for_the_answer(foreign: Tab) -> None:
    cell = foreign.run("loud = fs.getobject('/shared/probe')\nloud.count", wait="running")
    expect(foreign.find("consent-place")).to_contain_text("In this tab")
    foreign.find("consent-run").click()
    expect(cell.get_by_test_id("cell-value")).to_have_text("0", timeout=SLOW)
    refused = foreign.run("fs.getobject('/shared/loud')", wait="running")
    foreign.find("consent-cancel").click()
    expect(refused).to_contain_text("PermissionDenied")


def test_two_questions_have_two_answers(foreign: Tab) -> None:
    cell = foreign.run(
        "import asyncio\npaths = '/shared/probe', '/shared/loud'\n"
        "got = await asyncio.gather(*map(acluster.getobject, paths), return_exceptions=True)\n"
        "[type(one).__name__ for one in got]",
        wait="running",
    )
    asked = foreign.find("consent").locator("h2, .dialog-title").first
    expect(asked).to_contain_text("Run ")
    first = asked.inner_text()
    foreign.find("consent-run").click()
    expect(asked).not_to_have_text(first)
    foreign.page.keyboard.press("Escape")
    expect(cell.get_by_test_id("cell-value")).to_contain_text("PermissionDenied", timeout=SLOW)
    expect(foreign.find("consent")).to_have_count(0)
    assert cell.get_by_test_id("cell-value").inner_text().count("PermissionDenied") == 1


CELL = """
from typing import Any

@dataclass
class Guest(EmergeFile):
    price: float = 1.0

    @property
    def cheap(self) -> bool:
        return self.price < 3

    async def where(self, afs: Any) -> list[str]:
        return [__import__("js").self.origin, *(pointer.name for pointer in await afs.list("/guests"))]

local.storeall([Guest(name=name, path="/guests", price=price) for name, price in [("mine", 1.0), ("theirs", 2.0)]])
local.chown("/guests/theirs", "mallory")  # a run of theirs has their rights
local.chmod("/guests", "rwxr-xr-x");
"""


@pytest.mark.not_webkit(reason="four Pythons start, one after the other, for minutes", small=True)
def test_this_browsers_own_filesystem_closes_in_what_belongs_to_others(site: Site, foreign: Tab) -> None:
    foreign.run(CELL)  # written here, so nothing is asked
    theirs = "['null', 'theirs']"  # what their owner may see of it
    for name, seen in (("mine", f"['{site.relay.found['url']}', 'mine', 'theirs']"), ("theirs", theirs)):
        foreign.open(f"#/local/guests/{name}?tab=methods")
        foreign.find("run-here-where").click()
        expect(result(foreign)).to_have_text(seen)
    foreign.open("#/local/guests?tab=search")
    foreign.find("search-text").fill("o.cheap and o.price > 1.5")
    foreign.find("search-start").click()
    expect(foreign.find("search-row")).to_have_count(1, timeout=3 * SLOW)  # it starts a Python
    expect(foreign.find("search-row")).to_contain_text("theirs")

    foreign.page.wait_for_function("() => navigator.serviceWorker.controller !== null", timeout=SLOW)
    assert site.relay.stop() == 0  # what closed it in was kept
    foreign.page.reload()
    foreign.ready("offline")
    foreign.open("#/local/guests/theirs?tab=methods")
    foreign.find("run-here-where").click()
    expect(result(foreign)).to_have_text(theirs)


@pytest.mark.skipif(not in_turn(0, 2), reason="takes turns with a loop in the tab; all by EMERGE_TEST_SCALE=large")
def test_an_endless_loop_of_theirs_is_stopped(site: Site, foreign: Tab) -> None:
    run_here(foreign, "/shared/probe", "spin")
    foreign.find("consent-run").click()
    foreign.page.wait_for_timeout(1500)
    foreign.find("run-stop").click()
    expect(foreign.find("run").first).to_contain_text("It was stopped", timeout=SLOW)
    url = site.relay.found["url"]
    run_here(foreign, "/shared/probe", "probe", f"{url!r}, nested=False")  # the next one starts anew
    assert ast.literal_eval(result(foreign).inner_text())["python origin"] == "null"


@pytest.mark.not_webkit(reason=NO_STOP)
@pytest.mark.skipif(not in_turn(1, 2), reason="takes turns with a loop of theirs; all by EMERGE_TEST_SCALE=large")
def test_an_endless_loop_in_the_tab_is_stopped(foreign: Tab) -> None:
    """Whenever it is: before its class is loaded, or long after."""
    for number, moment in enumerate([0, 150, 400, 900]):
        run_here(foreign, "/shared/own", "spin")
        if number == 0:
            foreign.find("consent-run").click()
        foreign.page.wait_for_timeout(moment)
        foreign.find("run-stop").click()
        expect(foreign.find("run").first).to_contain_text("It was stopped", timeout=SLOW)
        expect(foreign.run("1 + 1").get_by_test_id("cell-value")).to_have_text("2")


def test_the_closed_in_frame_says_so_itself(open_tab: Callable[[str], Tab], site: Site) -> None:
    tab = open_tab(site.relay.found["url"] + "/guest")
    policy = tab.page.evaluate("async () => (await fetch('/guest').catch(() => null))")
    assert policy is None  # it may not even read itself
    assert tab.page.evaluate("self.origin") == "null"
