"""5,000 orders in one go: pasted, checked, placed while the page counts along, and all of them in the result."""

import csv
from decimal import Decimal
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from orders.models import Order
from tests import world
from tests.browser.conftest import Open, shots

LINES = 5000
# What the counting line says, kept over the change of page; a waiting page may be gone before a test can look at it.
OVERHEAR = """() => {
  const words = document.querySelector("[data-count-words]");
  sessionStorage.setItem("said", "[]");
  new MutationObserver(() => {
    const said = JSON.parse(sessionStorage.getItem("said"));
    sessionStorage.setItem("said", JSON.stringify(said.concat(words.textContent)));
  }).observe(words, { childList: true, characterData: true, subtree: true });
}"""


def paste(page: Page, field: Locator, text: str) -> None:
    """By way of the clipboard, as a person does; typing so much in would take half a minute."""
    elsewhere = page.context.new_page()
    elsewhere.set_content("<textarea></textarea>")
    elsewhere.locator("textarea").evaluate("(area, text) => { area.value = text; area.select(); }", text)
    elsewhere.keyboard.press("Control+c")
    elsewhere.close()
    field.click()
    page.keyboard.press("Control+v")


def test_5000_lines_are_pasted_checked_and_placed(open_page: Open) -> None:
    alice = world.customer(balance="50000")
    provider = world.provider()
    views = world.service(world.offer(provider, "1", name="Display impressions"), rate="2.00")
    visits = world.service(world.offer(provider, "2", name="Referral visits"), rate="4.00")
    page = open_page("/orders/mass", user=alice)
    kinds = (views, views, views, visits)
    lines = [f"{kinds[n % 4].pk} | https://example.org/page/{n} | {1000 + n % 7}" for n in range(LINES)]
    paste(page, page.get_by_label("Orders, one per line"), "\n".join(lines))
    expect(page.get_by_text("5,000 lines", exact=True)).to_be_visible()
    page.get_by_role("button", name="Check and price").click()
    place = page.get_by_role("button", name="Place 5,000 orders")
    expect(place).to_be_visible()
    expect(page.get_by_text("And 4,950 more lines without a problem.")).to_be_visible()
    assert not Order.objects.exists()

    page.evaluate(OVERHEAR)
    place.click()
    expect(page.get_by_role("heading", name="5,000 orders placed")).to_be_visible(timeout=20_000)
    said = page.evaluate("() => JSON.parse(sessionStorage.getItem('said'))")
    counted = [words for words in said if "of 5,000 orders written" in words]
    assert counted, said
    figures = [int(words.split()[0].replace(",", "")) for words in counted]
    assert figures == sorted(figures) and set(figures) <= set(range(500, LINES + 1, 500))

    charge = sum(Decimal(1000 + n % 7) * (4 if n % 4 == 3 else 2) / 1000 for n in range(LINES))
    by_service = page.get_by_role("table", name="What was placed, by service").get_by_role("row")
    expect(by_service.nth(1)).to_contain_text("3,750")
    expect(by_service.nth(2)).to_contain_text("1,250")
    expect(page.get_by_text("The first 100 of 5,000; the CSV has all.")).to_be_visible()
    shots(page, "mass-result-5000")
    with page.expect_download() as download:
        page.get_by_role("link", name="Result CSV").click()
    rows = list(csv.DictReader(Path(download.value.path()).read_text().splitlines()))
    asked = [tuple(part.strip() for part in line.split("|")) for line in lines]
    assert [(row["service"], row["link"], row["quantity"]) for row in rows] == asked
    assert sum(Decimal(row["charge"]) for row in rows) == charge
    assert {row["order"] for row in rows} == {str(pk) for pk in Order.objects.values_list("pk", flat=True)}
    world.sane()
