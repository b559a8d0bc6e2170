"""axe-core in the page: what it finds of a screen, in words."""

from __future__ import annotations

from functools import cache

from playwright.sync_api import Page

from tests.conftest import ROOT

CONTRAST = ["color-contrast"]
RUN = """async ([rules, scheme]) => {
    document.documentElement.dataset.theme = scheme;  // as its switch does: color-scheme changes nothing
    void getComputedStyle(document.body).color;  // from here on all have the new colours, or are on their way
    for (const each of document.getAnimations())  // a busy browser draws none for long, so their end is not waited for
        if (each.effect.getComputedTiming().iterations !== Infinity) each.finish();
    const only = rules.length > 0 ? { runOnly: { type: "rule", values: rules } } : {};
    const { violations } = await axe.run(document, { ...only, resultTypes: ["violations"], iframes: false });
    const where = (nodes) => nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ");
    return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${where(nodes)}`);
}"""

FORGETFUL = """() => {
    if (navigator.userAgent.includes("Firefox"))
        for (const name of Object.getOwnPropertyNames(Element.prototype))
            if (/^aria.*Elements$/.test(name)) delete Element.prototype[name];
}"""
"""axe asks elements for `ariaControlsElements` and the like. Firefox 153 notes in the element that it has answered, and
the answer in the element's object: once that is collected, the next question ends the process. axe then reads what the
attributes say."""


@cache
def _source() -> str:
    return (ROOT / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def problems(page: Page, scheme: str = "light", rules: list[str] | None = None) -> list[str]:
    """What axe finds amiss in what is shown now, in one of the themes; by these rules only, if some are given."""
    if not page.evaluate("'axe' in globalThis"):
        page.evaluate(f"() => {{ {_source()} }}")
        page.evaluate(FORGETFUL)
    found: list[str] = page.evaluate(RUN, [rules or [], scheme])
    return found
