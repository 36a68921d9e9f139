"""Holding pages against the same bars: axe-core (WCAG 2.2 AA) in both themes, at a desk and on a phone, and no page
wider than its window from 320 px on.

A page is asked for once; the window is what changes. What a page loads on opening and what it keeps folded is part of
it. A table may scroll in a region of its own; axe sees to it that the region can be reached by keyboard.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page, Response, expect

from customers.models import User
from tests.browser.conftest import Open, shot

DESK, PHONE = 1440, 390
BETWEEN = (
    1280,
    992,
    768,
)  # with the sidebar, with the rail of icons, with the menu button; only their width is measured
NARROWEST = 320  # also what a desk sees at 400 %
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
AXE = next((Path(__file__).parent / "vendor").glob("axe-core-*")) / "axe.min.js"

# Something is on its way, or a part that a page asks for by itself still says "Load it".
ON_ITS_WAY = ".htmx-request, [hx-trigger=load]:has(> .bd > a:only-child)"
UNFOLD = """document.querySelectorAll('main details').forEach(
    d => { d.removeAttribute('name'); if (!d.closest('.menu')) d.open = true; })"""
# no frames and no media on our pages, so axe need not wait for any
LOOK = """only => { window.axe || axeLater(); return axe.run(document, {
    runOnly: only, resultTypes: ['violations'], elementRef: false, iframes: false, preload: false,
}).then(found => found.violations.map(
    fault => `${fault.id}: ${fault.nodes[0].target} ${fault.nodes[0].html.slice(0, 150)}`)); }"""
# theme.js hears of it with the next frame
TURNED = """theme => new Promise(done => {
    let frames = 0;
    const root = document.documentElement;
    const look = () => !root.dataset.bsTheme || root.dataset.bsTheme === theme || ++frames > 60
        ? done(root.dataset.bsTheme || theme) : requestAnimationFrame(look);
    look();
})"""


class Looker:
    """Collects in `found` what is wrong with the pages of one window."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.found: list[str] = []
        bring_axe(page.context)
        page.emulate_media(reduced_motion="reduce")  # or a color is measured while it fades into the other
        self._window(DESK)

    def visit(self, name: str, path: str) -> Response | None:
        answer = self.page.goto(path)
        expect(self.page.locator(ON_ITS_WAY)).to_have_count(0)
        self.look(name)
        return answer

    def look(self, name: str, on_phone: Callable[[], None] = lambda: None) -> None:
        """The page as it stands, by all rules at a desk in light and on a phone in dark; the contrast there in the
        other theme too; its width in every window. `on_phone` is done once the window is a phone's."""
        self.page.evaluate(UNFOLD)
        self._faults(f"{name} at a desk, light")
        shot(self.page, f"{name}-{DESK}-light")
        self._sideways(name, DESK)
        self._turn("dark")
        self._faults(f"{name} at a desk, dark", "color-contrast")
        for width in BETWEEN:
            self._window(width)
            self._sideways(name, width)
        self._window(PHONE)
        on_phone()
        self._faults(f"{name} on a phone, dark")
        shot(self.page, f"{name}-{PHONE}-dark")
        self._sideways(name, PHONE)
        self._turn("light")
        self._faults(f"{name} on a phone, light", "color-contrast")
        self._window(NARROWEST)
        self._sideways(name, NARROWEST)
        self._window(DESK)

    def assert_nothing_found(self) -> None:
        assert not self.found, "\n".join(self.found)

    def _faults(self, where: str, rule: str = "") -> None:
        self.found += [f"{where}: {fault}" for fault in faults(self.page, rule)]

    def _sideways(self, name: str, width: int) -> None:
        if (over := wider_than_its_window(self.page)) > 0:
            self.found.append(f"{name} at {width} px scrolls sideways by {over} px")

    def _turn(self, theme: str) -> None:
        self.page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        assert (is_now := self.page.evaluate(TURNED, theme)) == theme, f"{self.page.url} stays {is_now}"

    def _window(self, width: int) -> None:
        self.page.set_viewport_size({"width": width, "height": 900})


def look_at(open_page: Open, user: User, pages: Mapping[str, str]) -> list[str]:
    """Every page (name of its picture → address) in one browser profile; what was found."""
    looker = Looker(open_page("/help/", user=user))
    for name, path in pages.items():
        looker.visit(name, path)
    return looker.found


def bring_axe(context: BrowserContext) -> None:
    """Every page of this profile has it at hand; sending it to each page anew takes longer."""
    context.add_init_script(f"window.axeLater = () => {{ {AXE.read_text()} }};")


def faults(page: Page, rule: str = "") -> list[str]:
    """What axe finds (by one rule, or by all of RULES), as `rule: first place`."""
    if not page.evaluate("!!(window.axe || window.axeLater)"):
        page.evaluate(AXE.read_text())
    only = {"type": "rule", "values": [rule]} if rule else {"type": "tag", "values": RULES}
    found: list[Any] = page.evaluate(LOOK, only)
    return [str(fault) for fault in found]


def wider_than_its_window(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def named(paths: list[str], before: str = "") -> dict[str, str]:
    """Addresses with names for their pictures."""
    return {before + path.strip("/").replace("/", "-").replace("?", "-"): path for path in paths}
