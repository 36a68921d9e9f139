"""The operator's rules about new orders: what is refused, what waits for a person, and what asking costs."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers import site_settings, wallet
from customers.models import User
from orders.correcting import change_route
from orders.holding import reject, release
from orders.mass_lines import read_lines
from orders.mass_placing import judge, place_valid
from orders.models import Order, OrderEvent, Submission
from orders.placing import place_order
from orders.screening import BY_CHARGE, BY_CUSTOMER, BY_LINK, BY_SERVICE
from orders.submission import submit_lane
from providers.denying import allow, deny
from providers.models import Denial, Route, Service
from providers.service_types import InvalidOrder
from tests import world
from tests.sandbox import Sandbox
from tests.staff_world import signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return world.customer()


@pytest.fixture
def shop() -> Service:
    """10 to 1,000,000 at 2.00 per 1000."""
    return world.service(world.offer(world.provider()))


@pytest.fixture
def comments(shop: Service) -> Service:
    by = world.offer(
        shop.routes.get().offer.provider, "2", service_type="custom comments", minimum=1, maximum=100
    )
    return world.service(by, rate="1000.00")


def rules(**values: Any) -> None:
    site_settings.change(values)


def refusal(user: User, service: Service, **asked: Any) -> Mapping[str, str]:
    with pytest.raises(InvalidOrder) as refused:
        world.order(user, service, **asked)
    assert not Order.objects.exists()
    assert wallet.balance_of(user) == 100
    return refused.value.errors


# ── the deny-list ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "link",
    [
        "https://casino.example/a",
        "http://www.casino.example",
        "casino.example/page",
        "HTTPS://Shop.Casino.EXAMPLE:8443/x",
        "https://good.example@casino.example/",
        "https:\\\\casino.example\\x",
        "https://ｃａｓｉｎｏ.example/",
        "https://casino.example./",
        "casino.example/?next=https://good.example/",
        "https:casino.example/",
        "https:/casino.example/",
        "http:///casino.example/",
        "https://casino\u3002example/",
        "https://c%61sino%2eexample/",
        "https://cas\u200bino.example/",
        "\u2060casino.example",
    ],
)
def test_a_denied_site_is_refused_however_it_is_written(alice: User, shop: Service, link: str) -> None:
    deny("host", "https://www.Casino.example/anything", "Gambling")
    said = refusal(alice, shop, link=link)
    assert said == {"link": "Links to casino.example are not accepted here. Nothing was charged."}


@pytest.mark.parametrize(
    "link",
    [
        "https://casino.example.org/",
        "https://mycasino.example/",
        "https://example.org/casino.example",
        "example.org/?u=https://casino.example",
    ],
)
def test_another_site_is_not_meant(alice: User, shop: Service, link: str) -> None:
    deny("host", "casino.example", "Gambling")
    assert world.order(alice, shop, link=link).charge == 2


def test_a_text_in_links_is_refused_also_when_it_is_encoded(alice: User, shop: Service) -> None:
    deny("link", "/Weapons/", "The law")
    said = refusal(alice, shop, link="https://example.org/%77eapons/7")
    assert said == {"link": "This link is not accepted here. Nothing was charged."}
    refusal(alice, shop, link="https://example.org/WEAPONS/7")


def test_a_word_is_refused_in_links_and_in_comments_as_a_whole_word(alice: User, comments: Service) -> None:
    deny("word", "bad phrase", "Hurts people")
    refusal(alice, comments, link="https://example.org/bad%20phrase", comments="Fine")
    texts = "Well done\nWhat a BAD   Phrase this is"
    said = refusal(alice, comments, link="https://example.org/", quantity=0, comments=texts)
    assert said == {"comments": "“bad phrase” is not accepted here. Nothing was charged."}
    assert world.order(alice, comments, comments="A bad phrased text").total == 1


@pytest.mark.parametrize(
    "text", ["A bad\u00ad phrase", "b\u200bad phrase", "\uff42ad phr\u2060ase", "bad \ufe0fphrase"]
)
def test_a_word_is_found_with_what_nobody_sees_in_it(alice: User, comments: Service, text: str) -> None:
    deny("word", "bad phrase", "Hurts people")
    assert "comments" in refusal(alice, comments, link="https://example.org/", quantity=0, comments=text)


def test_a_word_for_imported_services_says_nothing_about_orders(alice: User, shop: Service) -> None:
    deny("word", "page", "Only in names", scope="catalog")
    assert world.order(alice, shop, link="https://example.org/page").charge == 2


@pytest.mark.parametrize(
    "entry", ["alice@example.org", "ALICE@Example.org", "example.org", "@org.example", "#{pk}"]
)
def test_a_denied_customer_places_nothing(shop: Service, entry: str) -> None:
    alice = world.customer("alice+news@example.org" if "org.example" not in entry else "a@b.org.example")
    deny("customer", entry.format(pk=alice.pk), "Charged back")
    assert "cannot place orders" in refusal(alice, shop)["customer"]
    assert world.order(world.customer("bob@elsewhere.example"), shop).charge == 2


def test_an_entry_that_ended_or_was_taken_off_no_longer_counts(alice: User, shop: Service) -> None:
    entry = deny("host", "example.org", "For now")
    refusal(alice, shop)
    Denial.objects.update(until=timezone.now().date() - timedelta(days=1))
    world.order(alice, shop)
    Denial.objects.update(until=None)
    allow(entry)
    world.order(alice, shop)


def test_a_repeated_request_is_answered_with_its_order_whatever_was_denied_since(
    alice: User, shop: Service
) -> None:
    first = world.order(alice, shop, request_id="once")
    deny("host", "example.org", "From now on")
    assert world.order(alice, shop, request_id="once") == first


def test_a_mass_order_says_it_line_by_line(alice: User, shop: Service) -> None:
    deny("host", "casino.example", "Gambling")
    lines = read_lines(f"{shop.pk} | https://casino.example/a | 100\n{shop.pk} | https://example.org/b | 100")
    judgment = judge(alice, lines)
    assert [row.problem for row in judgment.rows] == [
        "Links to casino.example are not accepted here. Nothing was charged.",
        "",
    ]
    assert [order.link for order in place_valid(alice, lines, token="t")] == ["https://example.org/b"]
    world.sane()


def test_the_form_says_it_beside_the_field_and_keeps_what_was_typed(alice: User, shop: Service) -> None:
    deny("host", "casino.example", "Gambling, says our bank")
    client = signed_in(alice)
    typed = {"service": shop.pk, "link": "https://casino.example/a", "quantity": "1000", "token": "a" * 32}
    page = client.post("/orders/new", typed)
    shown = {
        name: value for name, value in _hidden(page.content.decode()).items() if name.startswith("shown_")
    }
    page = client.post("/orders/new", typed | shown)
    text = page.content.decode()
    assert page.status_code == 422
    assert "Links to casino.example are not accepted here. Nothing was charged." in text
    assert "https://casino.example/a" in text
    assert "our bank" not in text
    assert not Order.objects.exists()


def _hidden(html: str) -> dict[str, str]:
    import re

    found = re.findall(r'<input type="hidden" name="([^"]+)"[^>]*?value="([^"]*)"', html)
    return dict(found)


def test_nobody_signs_up_with_a_denied_address(client: Client) -> None:
    deny("customer", "@mailbox.example", "Throw-away addresses")
    deny("customer", "spammer@example.org", "Spam", scope="orders")
    for email in ("a@mailbox.example", "b@eu.mailbox.example"):
        page = client.post("/account/signup/", {"email": email, "password1": world.PASSWORD, "terms": "on"})
        assert "cannot be opened here" in page.content.decode()
    client.post(
        "/account/signup/", {"email": "spammer@example.org", "password1": world.PASSWORD, "terms": "on"}
    )
    assert list(User.objects.values_list("email", flat=True)) == ["spammer@example.org"]


def test_a_denied_customer_gets_back_into_his_account_and_moves_to_no_denied_address(
    client: Client, alice: User, mailoutbox: list[Any]
) -> None:
    """There may be money in it. What he may not do is order, or take another address that is denied."""
    deny("customer", alice.email, "Charged back")
    deny("customer", "@mailbox.example", "Throw-away addresses")
    asked = client.post("/account/password/reset/", {"email": alice.email})
    assert asked.status_code == 302
    assert [message.to for message in mailoutbox] == [[alice.email]]
    own = signed_in(alice)
    own.post("/account/reauthenticate/", {"password": world.PASSWORD})
    page = own.post("/account/email/", {"action_add": "", "email": "alice@mailbox.example"})
    assert "cannot be opened here" in page.content.decode()


# ── held for review, and the limit ──────────────────────────────────────────────────────────────────


def test_a_large_order_is_charged_and_waits(alice: User, shop: Service) -> None:
    rules(review_above="5.00")
    small, large = world.order(alice, shop, quantity=2499), world.order(alice, shop, quantity=2500)
    assert world.state_of(small) == "queued"
    submission = Submission.objects.get(pk=large.pk)
    assert (submission.state, submission.waits_for) == ("held", BY_CHARGE)
    event = OrderEvent.objects.get(order=large, after="held")
    assert event.staff_only and event.why == "Held for review: its charge"
    assert wallet.balance_of(alice) == 100 - small.charge - large.charge
    world.sane()


def test_the_first_orders_of_each_customer_wait_and_canceled_ones_do_not_count(
    alice: User, shop: Service
) -> None:
    rules(review_first_orders=2)
    first = world.order(alice, shop)
    reject(first.pk, why="Not this one. The whole charge was returned.", actor="rita")
    states = [world.state_of(world.order(alice, shop, link=f"https://example.org/{n}")) for n in range(3)]
    assert states == ["held", "held", "queued"]
    other = world.order(world.bob(), shop)
    assert Submission.objects.get(pk=other.pk).waits_for == BY_CUSTOMER


def test_a_mass_order_counts_its_own_lines(alice: User, shop: Service) -> None:
    rules(review_first_orders=2, review_links="/private/\n\n")
    text = "\n".join(f"{shop.pk} | https://example.org/{n} | 100" for n in range(3))
    text += f"\n{shop.pk} | https://example.org/PRIVATE/4 | 100"
    orders = place_valid(alice, read_lines(text), token="t")
    waits = [Submission.objects.get(pk=order.pk).waits_for for order in orders]
    assert waits == [BY_CUSTOMER, BY_CUSTOMER, "", BY_LINK]
    assert OrderEvent.objects.filter(after="held").count() == 3
    world.sane()


def test_a_service_may_ask_for_a_look_at_each_order(alice: User, shop: Service) -> None:
    Service.objects.filter(pk=shop.pk).update(hold_for_review=True)
    order = world.order(alice, shop)
    assert Submission.objects.get(pk=order.pk).waits_for == BY_SERVICE


def test_the_customer_reads_being_reviewed_and_no_reason(alice: User, shop: Service) -> None:
    rules(review_above="1.00")
    order = world.order(alice, shop)
    client = signed_in(alice)
    assert "being reviewed" in client.get("/orders/").content.decode()
    page = client.get(f"/orders/{order.pk}").content.decode()
    assert "Your order is being reviewed." in page and "Being reviewed" in page
    assert "its charge" not in page
    release(order.pk, why="Fine", actor="rita")
    assert "being reviewed" not in client.get("/orders/").content.decode()


def test_an_order_above_the_largest_charge_is_refused_with_the_quantity_that_is_not(
    alice: User, shop: Service
) -> None:
    rules(largest_charge="5.00")
    said = refusal(alice, shop, quantity=2501)
    assert said == {"quantity": "One order may cost at most $5.00. That is a quantity of 2,500."}
    assert world.order(alice, shop, quantity=2500).charge == Decimal("5")


@pytest.mark.django_db(transaction=True)
def test_a_worker_sends_it_only_after_the_release(upstream: Sandbox, views: Service) -> None:
    rules(review_first_orders=1)
    order = world.order(world.customer(), views)
    provider_id = Submission.objects.get(pk=order.pk).provider_id
    assert submit_lane(provider_id).accepted == 0
    release(order.pk, why="Fine", actor="rita")
    assert submit_lane(provider_id).accepted == 1
    world.sane()


def test_another_route_does_not_end_the_review(alice: User, shop: Service) -> None:
    rules(review_above="1.00")
    order = world.order(alice, shop)
    other = Route.objects.create(
        service=shop, offer=world.offer(world.provider(name="Other"), "9"), position=1
    )
    seen = Submission.objects.get(pk=order.pk).offer_id
    change_route(order.pk, other.pk, seen=seen, reason="Cheaper", by=world.admin())
    submission = Submission.objects.get(pk=order.pk)
    assert (submission.route_id, submission.state, submission.waits_for) == (other.pk, "held", BY_CHARGE)


# ── what it costs ───────────────────────────────────────────────────────────────────────────────────


def statements(user: User, service: Service) -> int:
    with CaptureQueriesContext(connection) as queries:
        place_order(user, service.pk, {"link": "https://example.org/x", "quantity": "100"}, source="web")
    skipped = ("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT")
    return sum(not query["sql"].startswith(skipped) for query in queries)


def test_rules_cost_nothing_while_there_are_none_and_one_statement_each_after(
    alice: User, shop: Service
) -> None:
    statements(alice, shop)
    plain = statements(alice, shop)
    deny("word", "lottery", "Only in names", scope="catalog")
    assert statements(alice, shop) == plain
    deny("host", "casino.example", "Gambling")
    assert statements(alice, shop) == plain + 1
    rules(review_above="50")
    assert statements(alice, shop) == plain + 2
    rules(review_first_orders=1)
    assert statements(alice, shop) == plain + 3


def test_many_lines_ask_as_little_as_one(alice: User, shop: Service) -> None:
    deny("host", "casino.example", "Gambling")
    rules(review_first_orders=5)

    def judged(n: int) -> int:
        lines = read_lines("\n".join(f"{shop.pk} | https://example.org/{i} | 100" for i in range(n)))
        with CaptureQueriesContext(connection) as queries:
            judge(alice, lines)
        return len(queries)

    judged(1)
    assert judged(2) == judged(300) <= 7
