"""What staff do with orders, in a real browser: every state of an order's page, lists, results, what is sold by hand."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from customers import site_settings, wallet
from customers.models import PriceGroup, User
from orders import by_hand, correcting
from orders.models import Order, Submission
from orders.requests import decide
from providers.models import MarkupRule, Offer, Provider, Service
from tests import staff_world, world
from tests.browser.conftest import Open, shot
from tests.browser.looking import Looker
from tests.browser.test_the_whole_job import place, status

LONG = "https://example.org/a-rather-long-path-of-a-page-that-nobody-can-read-at-a-glance/"


@pytest.fixture
def adam(transactional_db: None) -> User:
    adam = world.admin()
    staff_world.signed_in(adam)  # enrols the second factor
    return adam


@pytest.fixture
def pages(adam: User) -> dict[str, str]:
    return order_pages(adam)


def order_pages(adam: User) -> dict[str, str]:
    """Name of the picture → address, with something on each page."""
    site_settings.change({"reject_replies": ["We cannot deliver to this page."]})
    alice, provider = world.customer(name="Alice Archer", balance="500"), world.provider()
    MarkupRule.objects.create(scope="everything", percent=Decimal(100))
    sold = world.service(world.offer(provider), rate="2.00")
    sold.routes.create(offer=world.offer(provider, "2", name="The same, elsewhere"), position=1)
    unsent, held, late, asked, refilled = (world.order(alice, sold, f"{LONG}{n}") for n in range(5))
    correcting.hold(held.pk, reason="The link looks odd", by=adam)
    Submission.objects.filter(pk=late.pk).update(queued_since=timezone.now() - timedelta(days=2))
    requests = [
        staff_world.cancel_asked(staff_world.accepted(asked, remains=500), 30, reason="Wrong page"),
        staff_world.refill_asked(staff_world.completed(refilled, start_count=10), 2),
    ]
    desk = world.provider("", "", "Our own desk", adapter="manual")
    listing = world.service(world.offer(desk, "hand-1", name="Directory listing", rate=Decimal(0)))
    gone = world.offer(desk, "hand-2", name="A rather long name of something that staff do not do any more")
    Offer.objects.filter(pk=gone.pk).update(gone_at=timezone.now())
    waits, runs, again = (world.order(alice, listing, f"{LONG}{n}") for n in ("a", "b", "c"))
    for order in (runs, again):
        by_hand.start(order.pk, 1_250, by=adam)
    by_hand.set_counts(runs.pk, start_count=1_250, remains=400, by=adam)
    decide(staff_world.cancel_asked(Order.objects.get(pk=runs.pk)).pk, approve=True, user=adam)
    group = PriceGroup.objects.create(name="Agencies", note="Yearly contracts")
    User.objects.filter(pk=alice.pk).update(price_group=group)
    empty = PriceGroup.objects.create(name="Nobody yet")
    return {
        "unsent": f"/staff/orders/{unsent.pk}", "held": f"/staff/orders/{held.pk}",
        "stuck-order": f"/staff/orders/{late.pk}", "hand-waits": f"/staff/orders/{waits.pk}",
        "hand-runs": f"/staff/orders/{runs.pk}", "accepted": f"/staff/orders/{asked.pk}",
        "list-stuck": "/staff/orders?tab=stuck", "list-by-hand": "/staff/orders?tab=by_hand",
        "list-held": "/staff/orders?tab=held", "list-none": "/staff/orders?q=nothing-like-it",
        "review": "/staff/review", "review-one": f"/staff/review/{requests[0].pk}",
        "by-hand": f"/manage/providers/{desk.pk}/by-hand",
        "by-hand-offer": f"/manage/providers/{desk.pk}/by-hand/{listing.routes.get().offer_id}",
        "desk": f"/manage/providers/{desk.pk}",
        "price-lists": "/manage/prices", "price-list": f"/manage/prices/{group.pk}",
        "price-list-empty": f"/manage/prices/{empty.pk}", "key": f"/manage/providers/{provider.pk}/key",
    }  # fmt: skip


def test_nothing_is_out_of_reach(open_page: Open, adam: User, pages: dict[str, str]) -> None:
    page = open_page("/help/", user=adam)
    looker = Looker(page)
    for name, path in pages.items():
        looker.visit(f"staff-{name}", path)

    page.goto("/staff/orders")
    boxes = page.locator("input[data-pick]")

    def pick_all() -> None:
        for at in range(boxes.count()):
            boxes.nth(at).check()
        expect(page.locator("[data-picked]").first).to_have_text(str(boxes.count()))

    def pick_all_cards() -> None:
        page.locator("button[data-pick-clear]").first.click()
        page.get_by_role("button", name="Select", exact=True).click()
        pick_all()

    pick_all()
    looker.look("staff-list-picked", pick_all_cards)
    page.keyboard.press("a")  # the bar stands before the rows: a key leads there
    expect(page.get_by_label("What to do")).to_be_focused()
    for act in ("Change the route", "Cancel and return the charge"):  # shown first, nothing is done
        page.get_by_label("What to do").select_option(label=act)
        page.get_by_label("Reason", exact=True).fill("The provider announced maintenance")
        page.get_by_role("button", name="Do it, row by row").click()
        expect(page.get_by_text("Nothing has been done yet.")).to_be_visible()
        looker.look(f"staff-before-{act.split()[0].lower()}")
        page.get_by_role("link", name="Back, change nothing").first.click()
        pick_all()
    page.get_by_label("What to do").select_option(label="Hold")
    page.get_by_label("Reason", exact=True).fill("The provider announced maintenance")
    page.get_by_role("button", name="Do it, row by row").click()
    expect(page.get_by_role("status").filter(has_text="done.")).to_be_visible()
    looker.look("staff-results")

    rule = MarkupRule.objects.get()
    page.goto(f"/manage/markup/{rule.pk}")
    page.get_by_label("Markup, %").fill("150")
    page.get_by_role("button", name="Save rule").click()
    page.goto("/manage/markup")
    page.get_by_role("link", name="Undo").click()
    expect(page.get_by_role("dialog").get_by_role("button", name="Leave it")).to_be_focused()
    looker.look("staff-markup-undo")
    page.get_by_role("button", name="Undo it").click()
    expect(page.locator("#messages")).to_contain_text("Undone.")
    rule.refresh_from_db()
    assert rule.percent == 100
    looker.assert_nothing_found()


def test_a_service_is_sold_and_delivered_by_hand(open_page: Open, adam: User) -> None:
    """An admin makes the service, a customer orders it, staff deliver a part of it, the rest of the money goes back."""
    admin = open_page("/manage/providers/add", user=adam)
    admin.get_by_label("Name", exact=True).fill("Our own desk")
    admin.locator("select[name=adapter]").select_option("manual")
    admin.get_by_role("button", name="Add provider").click()
    expect(admin.get_by_role("heading", name="Services by hand", level=1)).to_be_visible()
    assert Provider.objects.get().adapter == "manual"
    for label, value in (("Name", "Directory listing"), ("Category", "Directories"), ("Minimum", "1"),
                         ("Maximum", "5000"), ("What it costs us", "0"), ("Price", "2.00")):  # fmt: skip
        admin.get_by_label(label, exact=True).fill(value)
    admin.get_by_role("button", name="Make the service").click()
    service = Service.objects.get()
    expect(admin.locator("#messages")).to_contain_text(f"Service {service.pk} is on sale.")

    alice = world.customer(balance="10")
    page = open_page("/", user=alice)
    number = place(page, service, "https://example.org/mine", 1000)
    page.goto(f"/orders/{number}")
    expect(status(page, "Pending")).to_be_visible()
    assert wallet.balance_of(alice) == 8

    rita = world.reviewer()
    staff_world.signed_in(rita)
    staff = open_page("/staff/orders?tab=by_hand", user=rita)
    staff.get_by_role("link", name=str(number), exact=True).click()
    staff.get_by_label("Start count").fill("1,250")
    staff.get_by_role("button", name="Start the order").click()
    expect(staff.locator("#messages")).to_contain_text("The order is In progress.")
    staff.locator("summary", has_text="Set counts").click()
    expect(staff.get_by_label("Start count")).to_have_value("1250")
    staff.locator("#remains-counts").fill("600")
    staff.get_by_role("button", name="Set counts").click()
    expect(staff.locator("#messages")).to_contain_text("The counts are set. No money moved.")
    page.goto(f"/orders/{number}")
    expect(status(page, "In progress")).to_be_visible()
    expect(page.get_by_role("region", name="Delivery")).to_contain_text(re.compile(r"400\s*of 1,000"))
    shot(page, "by-hand-customer-runs-1440")

    staff.locator("summary", has_text="Partial by remains").click()
    expect(staff.get_by_text("With 600, as reported last, $1.20 goes back.")).to_be_visible()
    staff.locator("#remains").fill("400")
    staff.locator("#reason-partial").fill("The directory takes no more")
    staff.get_by_role("button", name="Set partial").click()
    expect(staff.locator("#messages")).to_contain_text(
        "The order is Partial; $0.80 went back to the customer."
    )
    shot(staff, "by-hand-partial-1440")
    page.goto(f"/orders/{number}")
    expect(status(page, "Partial")).to_be_visible()
    expect(page.get_by_text("$0.80").first).to_be_visible()
    expect(page.get_by_text("Our own desk")).to_have_count(0)
    shot(page, "by-hand-customer-partial-1440")
    page.goto("/wallet/")
    expect(page.get_by_text("$8.80").first).to_be_visible()
    order = Order.objects.get(pk=number)
    assert (order.status, order.start_count, order.remains, order.refunded) == (
        "Partial", 1250, 400, Decimal("0.8"),
    )  # fmt: skip
    assert wallet.balance_of(alice) == Decimal("8.8")
    world.sane()
