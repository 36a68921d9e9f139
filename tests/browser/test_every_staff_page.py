"""No page of the staff's and admins' is left out of the bars that looking.py holds pages against.

The addresses come from the table of access, the templates from their folders: whoever adds a page adds it to one of
the lists that are looked at, or says here why not. The pages that no other file looks at are looked at here.
"""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.urls import resolve

from customers.crediting import record_payment
from customers.enrolling import enrol_totp
from customers.models import User
from orders.requests import decide
from providers.models import BalanceReading, MarkupRule
from providers.top_ups import record_top_up
from tests import staff_world, world
from tests.browser.conftest import SECRET, Open
from tests.browser.looking import look_at, named
from tests.browser.test_admin_pages import admin_pages, priced
from tests.browser.test_back_office_pages import office_pages, suspended_alice
from tests.browser.test_staff_order_pages import order_pages
from tests.panel.access_matrix import read_table, walk

FOLDERS = ("manage", "customers/staff", "orders/staff")
PARTS = {
    "/manage/attention": "a part of the dashboard, which asks for it again and again",
    "/manage/providers/<pk>/reading": "a part of the provider's page, which asks for it while a list is read",
    "/staff/orders/of/<customer_id>": "a part of the customer's page, which asks for it",
    "/staff/review/rows": "a part of the review queue, which asks for it again and again",
}
AFTER_AN_ACT = {
    "/staff/orders/results": "follows a bulk act; test_staff_order_pages.py acts and looks",
    "orders/staff/orders_results.html": "the same",
    "manage/asked.html": "asks before a type is mapped; test_before_an_act.py acts and looks",
    "orders/staff/orders_preview.html": "comes before a bulk act; the same file looks at it",
}


@pytest.fixture
def adam() -> User:
    adam = world.admin()
    enrol_totp(adam, SECRET)
    return adam


def other_pages() -> list[str]:
    """What no other file looks at: the desk, money sent to a provider, a new customer, queues with their answers."""
    MarkupRule.objects.create(scope="everything", percent=Decimal(100))
    provider = world.provider()
    service = world.service(world.offer(provider))
    alice = world.customer(name="Alice Archer", balance="500")
    excerpt = '{"order": 7741, "error": "an internal error, which goes on for longer than any line is wide"}'
    links = [f"https://example.org/a-rather-long-path-of-a-page-nobody-can-read/{n}" for n in range(4)]
    doubts = [world.order(alice, service, link) for link in (links[0], links[0], *links[1:3])]
    staff_world.doubtful(doubts[0], excerpt, "7741", timedelta(hours=5))
    staff_world.doubtful(doubts[1])
    decided = staff_world.cancel_asked(staff_world.accepted(doubts[2], remains=10), 3)
    waits = staff_world.unclear(staff_world.refill_asked(staff_world.completed(doubts[3], start_count=10), 2))
    for amount in (Decimal(900), Decimal(750)):
        BalanceReading.objects.create(provider=provider, amount=amount, currency="USD")
    record_top_up(provider, amount=Decimal(250), reference="INV-2026-114", by=User.objects.get(role="admin"))
    decide(decided.pk, approve=False, user=User.objects.get(role="admin"), note="It runs already")
    payment = record_payment(doubts[0].user, "Bank transfer", Decimal(40), "RF-1180")
    return [
        "/staff/unknown", f"/staff/unknown/{doubts[0].pk}", f"/staff/unknown/{doubts[1].pk}",
        f"/manage/providers/{provider.pk}/top-ups", "/staff/customers/new", "/staff/customers?q=nobody-of-that-name",
        f"/manage/money/{payment.pk}/reverse",
        "/staff/review?state=answered", f"/staff/review/{waits.pk}", f"/staff/orders/{doubts[0].pk}",
    ]  # fmt: skip


def bare_pages() -> list[str]:
    """The lists of a panel on its first day: what to do next stands where the rows will be."""
    return [
        "/manage/", "/staff/review", "/staff/review?state=answered", "/staff/unknown", "/staff/orders",
        "/staff/customers", "/manage/providers", "/manage/catalog", "/manage/services", "/manage/markup",
        "/manage/prices", "/manage/deny-list", "/manage/rates", "/manage/alerts", "/manage/money",
        "/manage/money/ledger", "/manage/reports",
    ]  # fmt: skip


EVERYTHING: list[Callable[[User], list[str]]] = [
    lambda adam: admin_pages(priced()),
    lambda adam: list(order_pages(adam).values()),
    lambda adam: office_pages(suspended_alice(adam)),
    lambda adam: other_pages(),
    lambda adam: bare_pages(),
]


def test_the_desk_and_the_pages_left_over_are_not_out_of_reach(
    transactional_db: None, open_page: Open, adam: User
) -> None:
    found = look_at(open_page, adam, named(bare_pages(), "bare-"))
    found += look_at(open_page, adam, named(other_pages(), "other-"))
    assert not found, "\n".join(found)


def test_every_page_of_the_staff_is_looked_at_or_explained(transactional_db: None, adam: User) -> None:
    addresses, templates = _looked_at(adam)
    table = read_table()
    pages = {
        address.path
        for address in walk()
        if address.path.startswith(("/staff/", "/manage/")) and table[address.path]["admin"] != "405"
    }
    explained = set(PARTS) | {path for path in AFTER_AN_ACT if path.startswith("/")}
    left_out = pages - addresses - explained
    assert not left_out, (
        f"In no list of test_every_staff_page.py, and not explained there: {sorted(left_out)}"
    )
    assert not (stale := explained - pages), f"No page: {stale}"
    assert not (twice := explained & addresses), f"Explained, but looked at: {twice}"

    folder = Path(settings.BASE_DIR) / "templates"
    whole = {
        str(file.relative_to(folder))
        for name in FOLDERS
        for file in (folder / name).rglob("*.html")
        if '{% extends "base.html" %}' in file.read_text()
    }
    assert len(whole) >= 40
    unseen = whole - templates - set(AFTER_AN_ACT)
    assert not unseen, f"Templates of pages that nothing looks at: {sorted(unseen)}"


def _looked_at(adam: User) -> tuple[set[str], set[str]]:
    """Patterns and templates behind all lists; each list has the database for itself."""
    patterns, templates = set(), set()
    known = {_plain(address.path): address.path for address in walk()}
    for build in EVERYTHING:
        with transaction.atomic():
            client: Client = staff_world.signed_in(adam)
            for path in build(adam):
                answer = client.get(path)
                assert answer.status_code in {200, 422}, (path, answer.status_code)
                assert "<html" in answer.content.decode(), f"{path} is no page of its own"
                patterns.add(known[_plain("/" + resolve(path.split("?")[0]).route)])
                templates |= {template.name for template in answer.templates if template.name}
            transaction.set_rollback(True)
        cache.clear()
    return patterns, templates


def _plain(route: str) -> str:
    return route.replace("<int:", "<").replace("<str:", "<").replace("<uuid:", "<").replace("<slug:", "<")
