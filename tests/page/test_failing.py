"""Relay or node fail in the middle of an action: the page says what happened, keeps what was typed,
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


FAILURES: list[Callable[[Site, Tab], None]] = [stop_relay, stop_node, kill_node]


def failures() -> list[Callable[[Site, Tab], None]]:
    """All by command, else one of them, whatever else has its turn."""
    return FAILURES if SCALE > 1 else [random.Random(f"{TURN} failing").choice(FAILURES)]


@pytest.mark.skipif(not in_turn(1, 2), reason="every other run; all by EMERGE_TEST_SCALE=large")
@pytest.mark.parametrize("fail", failures(), ids=lambda fail: fail.__name__)
def test_a_failure_is_told_and_nothing_typed_is_lost(
    site: Site, tab: Tab, open_tab: Callable[[str], Tab], fail: Callable[[Site, Tab], None]
) -> None:
    own = open_tab(site.relay.found["url"] + "/" + WIDGET)
    own.ready()
    for action in ACTIONS:
        action.type(own)
    fail(site, own)
    expect(own.find("status-connection")).to_have_attribute("data-state", "offline", timeout=SLOW)
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
    expect(own.find("status-connection")).to_have_attribute("data-state", "connected", timeout=SLOW)
    for action in ACTIONS:
        action.typed(own)
        expect(own.find(action.go)).to_be_enabled(timeout=SLOW)
        own.find(action.go).click()
        expect(own.find(action.done)).to_contain_text(action.shown, timeout=SLOW)
    with connect(site.node.host) as fs:
        assert fs.cat("/inventory/widget1.unit_price") == 4.5
