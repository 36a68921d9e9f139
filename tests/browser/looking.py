"""Holding pages against the same bars: axe in both themes, at both widths, and no page wider than 320 px and up.

What a page asks for on opening and what it keeps folded is part of it. A table may scroll in a region of its own; axe
sees to it that the region can be reached by keyboard.
"""

from collections.abc import Mapping

from playwright.sync_api import Page, expect

from customers.models import User
from tests.browser.conftest import Open, shot
from tests.browser.test_accessibility import faults, wider_than_its_window

# Something is on its way, or a part that a page asks for by itself still says "Load it".
ON_ITS_WAY = ".htmx-request, [hx-trigger=load]:has(> .bd > a:only-child)"
UNFOLD = """document.querySelectorAll('main details').forEach(
    d => { d.removeAttribute('name'); if (!d.closest('.menu')) d.open = true; })"""
TURN = "theme => document.documentElement.dataset.bsTheme = theme"


class Looker:
    """Collects in `found` what axe finds on a page, the desk's in its theme and the other one, and whether it scrolls sideways."""

    def __init__(self, page: Page, width: int, dark: bool) -> None:
        self.page, self.width, self.themes = page, width, ("dark", "light") if dark else ("light", "dark")
        self.found: list[str] = []
        page.emulate_media(reduced_motion="reduce")  # or a color is measured while it fades into the other

    def visit(self, name: str, path: str) -> None:
        self.page.goto(path)
        expect(self.page.locator(ON_ITS_WAY)).to_have_count(0)
        self.page.evaluate(UNFOLD)
        self.look(name)

    def look(self, name: str) -> None:
        here, other = self.themes
        shot(self.page, f"{name}-{self.width}-{here}")
        self.found += [f"{name}: {fault}" for fault in faults(self.page)]
        self._sideways(name, self.width)
        if self.width == 390:
            self.page.set_viewport_size({"width": 320, "height": 800})
            self._sideways(name, 320)
            self.page.set_viewport_size({"width": self.width, "height": 900})
            return
        self.page.evaluate(TURN, other)  # its full look is the phone's
        self.found += [f"{name}, {other}: {fault}" for fault in faults(self.page, "color-contrast")]
        self.page.evaluate(TURN, here)

    def _sideways(self, name: str, width: int) -> None:
        if (over := wider_than_its_window(self.page)) > 0:
            self.found.append(f"{name} at {width} px scrolls sideways by {over} px")


def look_at(open_page: Open, user: User, pages: Mapping[str, str], width: int, dark: bool) -> list[str]:
    """Every page (name of its picture → address) in one browser profile; what was found."""
    looker = Looker(open_page("/help/", user=user, width=width, dark=dark), width, dark)
    for name, path in pages.items():
        looker.visit(name, path)
    return looker.found


def named(paths: list[str], before: str = "") -> dict[str, str]:
    """Addresses with names for their pictures."""
    return {before + path.strip("/").replace("/", "-").replace("?", "-"): path for path in paths}
