"""Relay, node, network or Python fail in the middle of an action: the page says what happened, keeps what was typed,
and goes on with it afterwards. Every action by every failure; in each run one failure."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from playwright.sync_api import Locator, expect

from emerge_wasm import connect
from tests.scale import SCALE, TURN, in_turn

from .conftest import SLOW, Site, Tab

WIDGET = "#/cluster/inventory/widget1"


@dataclass
class Action:
    """What a user types, where, and how it is set off; `done` is shown when it has gone through."""

    name: str
    route: str
    box: str
    text: str
    go: str
    done: str
    shown: str

    def find(self, tab: Tab) -> Locator:
        return tab.page.locator(self.box).first

    def type(self, tab: Tab) -> None:
        tab.open(self.route)
        self.find(tab).fill(self.text)

    def typed(self, tab: Tab) -> None:
        """What was typed is where it was typed."""
        tab.open(self.route)
        box = self.find(tab)
        expect(box).to_be_visible(timeout=SLOW)
        held = box.evaluate("box => 'value' in box ? box.value : box.innerText")
        assert held.strip() == self.text, f"{self.name}: {held!r}"


ACTIONS = [
    Action(
        "save", f"{WIDGET}?tab=state", '[data-field="unit_price"] input', "4.5", "save", "status-save", "Saved on the"
    ),
    Action(
        "search",
        "#/cluster/inventory?tab=search",
        '[data-testid="search-text"]',
        "o.unit_price > 1.25",
        "search-start",
        "search-summary",
        "1 object",
    ),
    Action(
        "graphql",
        "#/cluster/inventory?tab=graphql",
        '.cm-content[data-testid="graphql-query"]',
        "{ objects { count } }",
        "graphql-run",
        "graphql-answer",
        "count",
    ),
    Action(
        "run on all",
        "#/cluster/inventory?tab=run",
        '[data-testid="sweep-method"]',
        "total_cost",
        "sweep-start",
        "sweep-status",
        "1 of 1",
    ),
]


def stop_relay(site: Site, tab: Tab) -> None:
    assert site.relay.stop() == 0


def stop_node(site: Site, tab: Tab) -> None:
    assert site.node.stop() == 0


def kill_node(site: Site, tab: Tab) -> None:
    site.node.kill()


def end_python(site: Site, tab: Tab) -> None:
    """The worker of the page's Python ends as it does when the browser runs out of memory."""
    tab.page.workers[0].evaluate("self.postMessage({ event: 'kernel', state: 'dead', detail: 'out of memory' })")


FAILURES: list[Callable[[Site, Tab], None]] = [stop_relay, stop_node, kill_node, end_python]


def failures() -> list[Callable[[Site, Tab], None]]:
    """All by command, else one of them, whatever else has its turn."""
    return FAILURES if SCALE > 1 else [random.Random(f"{TURN} failing").choice(FAILURES)]


@pytest.mark.skipif(
    not in_turn(1, 2), reason="takes turns with the use that is measured; all by EMERGE_TEST_SCALE=large"
)
@pytest.mark.parametrize("fail", failures(), ids=lambda fail: fail.__name__)
def test_a_failure_is_told_and_nothing_typed_is_lost(
    site: Site, tab: Tab, open_tab: Callable[[str], Tab], fail: Callable[[Site, Tab], None]
) -> None:
    own = open_tab(site.relay.found["url"] + "/" + WIDGET)
    own.ready()
    for action in ACTIONS:
        action.type(own)
    fail(site, own)
    broken = own.find("status-kernel" if fail is end_python else "status-connection")
    expect(broken).to_have_attribute("data-state", re.compile("dead|offline"), timeout=SLOW)
    for action in ACTIONS:
        action.typed(own)
        button = own.find(action.go)
        if button.is_enabled():
            button.click()
            own.page.wait_for_timeout(100)
        else:  # then it says why
            said = button.get_attribute("title") or own.find("object").inner_text()
            assert re.search("offline|out of reach|away|stopped|Python|relay|node|connect", said, re.I), (
                action.name,
                said,
            )
        action.typed(own)

    site.restart()
    if fail is end_python:
        own.page.reload()
        own.ready()
        own.open(f"{WIDGET}?tab=state")
        own.find("draft-take").click()
    expect(own.find("status-connection")).to_have_attribute("data-state", "connected", timeout=SLOW)
    for action in ACTIONS:
        action.typed(own)
        expect(own.find(action.go)).to_be_enabled(timeout=SLOW)
        own.find(action.go).click()
        expect(own.find(action.done)).to_contain_text(action.shown, timeout=SLOW)
    with connect(site.node.host) as fs:
        assert fs.cat("/inventory/widget1.unit_price") == 4.5


def test_the_network_goes_while_a_save_is_under_way(site: Site, tab: Tab) -> None:
    """It is cut in the moment of the click: the edit is stored once, or is said not to be stored and is still there."""
    tab.open(f"{WIDGET}?tab=state")
    field = tab.page.locator('[data-field="unit_price"] input')
    for number in range(4 if SCALE > 1 else 2):
        field.fill(f"{number + 7.5}")
        tab.find("save").click(no_wait_after=True)
        assert site.relay.stop() == 0
        save = tab.find("status-save")
        expect(save).to_have_attribute("data-state", re.compile("saved|failed|unsaved"), timeout=SLOW)
        expect(field).to_have_value(f"{number + 7.5}")
        state = save.get_attribute("data-state")
        site.restart()
        expect(tab.find("status-connection")).to_have_attribute("data-state", "connected", timeout=SLOW)
        with connect(site.node.host) as fs:
            stored = fs.cat("/inventory/widget1.unit_price") == number + 7.5
        assert stored or state != "saved"
        if state != "saved":
            tab.find("save").click()
            expect(save).to_have_attribute("data-state", re.compile("saved|nothing"), timeout=SLOW)
        with connect(site.node.host) as fs:
            assert fs.cat("/inventory/widget1.unit_price") == number + 7.5
