"""The frame around every page: who sees which links, what it costs, and where its boxes lead."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import AnonymousUser
from django.template.loader import render_to_string
from django.test import Client, RequestFactory

from customers import permissions, wallet
from customers.models import User
from orders.models import Order
from panel import shell
from tests import world
from tests.staff_world import signed_in

pytestmark = pytest.mark.django_db


def person(role: str, **more: object) -> User:
    return User.objects.create_user(f"{role}@example.com", "a long password 7", role=role, **more)


def links(user: object, path: str = "/") -> list[str]:
    request = RequestFactory().get(path)
    request.user = user  # type: ignore[assignment]
    return [link.address for group in shell.Shell(request).nav for link in group.links]


@pytest.fixture(autouse=True)
def everything_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "leads_somewhere", lambda _address: True)


def test_each_role_sees_its_own_pages_and_no_others() -> None:
    customer, reviewer, admin = links(person("customer")), links(person("reviewer")), links(person("admin"))
    assert "/orders/new" in customer
    assert not [address for address in customer if address.startswith(("/staff", "/manage", "/admin"))]
    assert "/staff/review" in reviewer
    assert not [address for address in reviewer if address.startswith(("/manage", "/admin", "/wallet"))]
    assert {"/manage/", "/manage/providers", "/staff/review"} <= set(admin)
    assert "/admin/" not in admin
    assert links(AnonymousUser()) == []


def test_a_page_that_is_not_built_is_not_linked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "leads_somewhere", lambda address: address == "/wallet/")
    assert links(person("customer")) == ["/wallet/"]


@pytest.mark.parametrize(
    ("role", "path", "current"),
    [
        ("customer", "/orders/", "/orders/"),
        ("customer", "/orders/90340", "/orders/"),
        ("customer", "/orders/new", "/orders/new"),
        ("admin", "/manage/", "/manage/"),
        ("admin", "/manage/providers/3", "/manage/providers"),
        ("admin", "/manage/elsewhere", ""),
    ],
)
def test_it_marks_where_the_reader_is(role: str, path: str, current: str) -> None:
    request = RequestFactory().get(path)
    request.user = person(role)
    assert shell.Shell(request).here == current


def test_it_asks_the_database_nothing_until_a_template_does(django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    request = RequestFactory().get("/")
    request.user = person("admin")
    with django_assert_num_queries(0):
        frame = shell.context(request)["shell"]
        counts = [link.count for group in frame.nav for link in group.links if link.counter]
    with django_assert_num_queries(1):
        assert [count() + count() for count in counts] == [0, 0, 0]


def test_the_rules_can_be_read_without_signing_in(client: Client) -> None:
    for address in ("/acceptable-use", "/terms"):
        page = client.get(address)
        assert page.status_code == 200
    assert "16 CFR 465.8" in client.get("/acceptable-use").content.decode()


def test_the_theme_is_kept_with_the_account(client: Client) -> None:
    user = person("customer")
    client.force_login(user)
    answer = client.post("/theme", {"theme": "dark", "next": "https://evil.example/"})
    user.refresh_from_db()
    assert (user.theme, answer.headers["Location"]) == ("dark", "/")
    client.post("/theme", {"theme": "purple"})
    user.refresh_from_db()
    assert user.theme == "dark"


@pytest.mark.parametrize(
    ("role", "asked", "place"),
    [
        ("customer", "90340", "/orders/?q=90340"),
        ("customer", "#90340", "/orders/?q=90340"),
        ("customer", "video.example/watch", "/orders/?q=video.example%2Fwatch"),
        ("customer", "podcast", "/services/?q=podcast"),
    ],
)
def test_the_search_box_leads_to_the_list_that_knows(
    client: Client, monkeypatch: pytest.MonkeyPatch, role: str, asked: str, place: str
) -> None:
    monkeypatch.setattr("panel.pages.leads_somewhere", lambda _address: True)
    client.force_login(person(role))
    assert client.get("/find", {"q": asked}).headers["Location"] == place


def test_the_number_of_a_service_leads_to_the_services_unless_an_order_has_it(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panel.pages.leads_somewhere", lambda _address: True)
    provider, alice = world.provider(), world.customer()
    shop = world.service(world.offer(provider), pk=1204)
    withdrawn = world.service(world.offer(provider, "2"), pk=1205, published=False)
    client.force_login(alice)

    def leads_to(asked: object) -> str:
        return client.get("/find", {"q": str(asked)}).headers["Location"]

    assert leads_to(1204) == leads_to("#1204") == "/services/?q=1204"
    assert leads_to(withdrawn.pk) == "/orders/?q=1205"
    assert leads_to("1204, 1205").startswith("/orders/"), "a list is of orders"
    order = world.order(alice, shop)
    assert leads_to(order.pk) == f"/orders/?q={order.pk}"
    Order.objects.filter(pk=order.pk).update(reference="1204")
    assert leads_to(1204) == "/orders/?q=1204", "his own reference"
    client.force_login(world.bob())
    assert leads_to(1204) == "/services/?q=1204"


def test_times_are_in_the_readers_zone_and_the_zone_is_not_left_behind(client: Client) -> None:
    from django.utils import timezone

    from panel.reader import time_zone

    seen = []
    request = RequestFactory().get("/")
    request.user = person("customer", time_zone="Asia/Tokyo")
    time_zone(lambda _request: seen.append(timezone.get_current_timezone_name()))(request)  # type: ignore[arg-type,func-returns-value,return-value]
    request.user.time_zone = "Moon/Base"
    time_zone(lambda _request: seen.append(timezone.get_current_timezone_name()))(request)  # type: ignore[arg-type,func-returns-value,return-value]
    assert seen == ["Asia/Tokyo", "UTC"]
    assert timezone.get_current_timezone_name() == "UTC"


def test_what_waits_is_shown_beside_its_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell.Counts, "to_review", lambda _self: 14)
    request = RequestFactory().get("/staff/review")
    request.user = person("reviewer")
    html = render_to_string("parts/sidebar.html", {}, request)
    assert '<span class="cnt hot">14' in html
    assert html.count("cnt hot") == 1, "nothing waits to be verified"
    assert 'aria-current="page"' in html


def test_the_customer_sees_the_balance_of_the_wallet_and_staff_see_none() -> None:
    customer = person("customer")
    wallet.adjust(customer, Decimal("248.37"), "opening balance", "test")
    request = RequestFactory().get("/")
    request.user = customer
    assert "$248.37" in render_to_string("parts/sidebar.html", {}, request)
    request.user = person("reviewer")
    assert "Balance" not in render_to_string("parts/sidebar.html", {}, request)


def test_a_line_of_the_table_moves_its_link_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The navigation asks the pages, and they ask the table: there is no second list of who sees what."""
    rita, adam = person("reviewer"), person("admin")
    assert "/manage/audit" not in links(rita) and "/manage/audit" in links(adam)
    everybody = permissions.TABLE["audit.see"]
    monkeypatch.setitem(
        permissions.TABLE, "audit.see", permissions.Permission(("reviewer",), everybody.words)
    )
    assert "/manage/audit" in links(rita) and "/manage/audit" not in links(adam)
    monkeypatch.setitem(permissions.TABLE, "money.see", permissions.Permission(("superuser",), ""))
    assert "/manage/" not in links(adam)
    assert links(adam)[0] == "/staff/review"


def test_the_first_page_of_staff_is_one_they_may_open() -> None:
    for role, place in (("admin", "/manage/"), ("reviewer", "/staff/review"), ("customer", None)):
        assert signed_in(person(role)).get("/").headers.get("Location") == place
