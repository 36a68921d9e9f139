"""Every action field by field: names, types and order of keys as the two documents of the protocol have them."""

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from customers.models import PriceGroup, User
from orders.models import Order, Request, Submission
from orders.settlement import end_partial, end_with_full_refund, lock_order
from providers.models import MarkupRule, Provider, Service, SpecialRate
from providers.service_types import TYPES
from tests import world
from tests.api.conftest import Caller

pytestmark = pytest.mark.django_db


def ended(order: Order, status: str, **fields: Any) -> None:
    Order.objects.filter(pk=order.pk).update(status=status, ended_at=timezone.now(), **fields)


def accepted(order: Order) -> None:
    """As if a worker had sent it and the provider had said yes; by the legal arrows."""
    of = Submission.objects.filter(pk=order.pk)
    of.update(state="claimed", fence=1, lease_until=timezone.now())
    of.update(state="sending")
    of.update(state="accepted", lease_until=None, provider_order_id=f"u{order.pk}")
    sent = of.get()
    sent.attempts.create(
        fence=1, provider=sent.provider, offer=sent.offer, cost=order.cost, state="accepted", params_hash=""
    )


# ── services ────────────────────────────────────────────────────────────────────────────────────────


def test_services_have_the_documented_fields_in_the_documented_order(call: Caller, shop: Service) -> None:
    assert call("services") == [
        {
            "service": shop.pk,
            "name": "Display impressions, worldwide",
            "type": "Default",
            "category": "Display",
            "rate": "2.00",
            "min": "10",
            "max": "1000000",
            "refill": True,
            "cancel": True,
            "dripfeed": True,
        }
    ]
    assert list(call("services")[0])[:9] == [
        "service", "name", "type", "category", "rate", "min", "max", "refill", "cancel",
    ]  # fmt: skip


def test_services_show_the_callers_own_rate(call: Caller, shop: Service, alice: User) -> None:
    SpecialRate.objects.create(user=alice, service=shop, rate=Decimal("1.2345"))
    assert call("services")[0]["rate"] == "1.2345"


@pytest.mark.parametrize("scope", ["provider", "category", "service", "everything"])
def test_services_show_the_rate_of_the_callers_price_list_and_what_is_charged(
    call: Caller, shop: Service, alice: User, meridian: Provider, scope: str
) -> None:
    """By whichever rule of the list: one of a provider needs to know who delivers."""
    alice.price_group = PriceGroup.objects.create(name="Resellers")
    alice.save()
    target = {"provider": meridian, "category": shop.category, "service": shop}
    on = {scope: target[scope]} if scope in target else {}
    MarkupRule.objects.create(price_group=alice.price_group, scope=scope, percent=30, **on)
    assert call("services")[0]["rate"] == "1.30"
    call("add", service=shop.pk, link="x", quantity=1000)
    assert Order.objects.get().charge == Decimal("1.3")


def test_a_changed_price_is_in_the_next_list(call: Caller, shop: Service, alice: User) -> None:
    """The list rate, a rule and a special rate, each at once."""
    assert call("services")[0]["rate"] == "2.00"
    Service.objects.filter(pk=shop.pk).update(rate=Decimal("2.25"))
    assert call("services")[0]["rate"] == "2.25"
    special = SpecialRate.objects.create(user=alice, service=shop, discount_percent=10)
    assert call("services")[0]["rate"] == "2.025"
    special.delete()
    assert call("services")[0]["rate"] == "2.25"


def test_services_that_cannot_be_ordered_are_not_listed(
    call: Caller, shop: Service, meridian: Provider
) -> None:
    world.service(world.offer(meridian, "2"), published=False)
    world.service(world.offer(meridian, "3"), off_sale="The provider dropped it")
    routeless = world.service(world.offer(meridian, "4"))
    routeless.routes.all().delete()
    assert [row["service"] for row in call("services")] == [shop.pk]


def test_nothing_on_sale_is_an_empty_list(call: Caller) -> None:
    assert call("services") == []


# ── add ─────────────────────────────────────────────────────────────────────────────────────────────


def test_add_answers_the_number_and_charges_once(call: Caller, shop: Service, alice: User) -> None:
    answer = call("add", service=shop.pk, link="https://example.org/a", quantity=1000)
    order = Order.objects.get()
    assert answer == {"order": order.pk}
    assert (order.source, order.link, order.quantity, order.charge) == ("api", "https://example.org/a", 1000, Decimal("2"))  # fmt: skip
    assert call("balance") == {"balance": "98.00", "currency": "USD"}
    world.sane()


def test_add_charges_what_services_showed(call: Caller, shop: Service, alice: User) -> None:
    SpecialRate.objects.create(user=alice, service=shop, rate=Decimal("1.5"))
    call("add", service=shop.pk, link="x", quantity=1000)
    assert Order.objects.get().charge == Decimal("1.5")


def test_drip_feed_charges_all_runs(call: Caller, shop: Service) -> None:
    call("add", service=shop.pk, link="x", quantity=100, runs=5, interval=60)
    order = Order.objects.get()
    assert (order.runs, order.interval, order.total, order.charge) == (5, 60, 500, Decimal("1"))


# ── every sellable type ─────────────────────────────────────────────────────────────────────────────

LINES = "first\r\nsecond\n\n third \n"
# type → parameters beside service and link, the quantity that counts, the fields that are kept
BY_TYPE: dict[str, tuple[dict[str, str], int, dict[str, str]]] = {
    "default": ({"quantity": "100"}, 100, {}),
    "package": ({}, 1, {}),
    "seo": ({"quantity": "100", "keywords": LINES}, 100, {"keywords": "first\nsecond\nthird"}),
    "custom comments": ({"comments": LINES}, 3, {"comments": "first\nsecond\nthird"}),
    "custom comments package": ({"comments": LINES}, 1, {"comments": "first\nsecond\nthird"}),
    "mentions": ({"quantity": "100", "usernames": LINES}, 100, {"usernames": "first\nsecond\nthird"}),
    "mentions with hashtags": (
        {"quantity": "100", "usernames": LINES, "hashtags": "#a\n#b"},
        100,
        {"usernames": "first\nsecond\nthird", "hashtags": "#a\n#b"},
    ),
    "mentions custom list": ({"usernames": LINES}, 3, {"usernames": "first\nsecond\nthird"}),
    "mentions hashtag": ({"quantity": "100", "hashtag": "#a"}, 100, {"hashtag": "#a"}),
    "mentions user followers": ({"quantity": "100", "username": "bob"}, 100, {"username": "bob"}),
    "mentions media likers": ({"quantity": "100", "media": "https://m"}, 100, {"media": "https://m"}),
    "comment likes": ({"quantity": "100", "username": "bob"}, 100, {"username": "bob"}),
    "comment replies": (
        {"username": "bob", "comments": LINES},
        3,
        {"username": "bob", "comments": "first\nsecond\nthird"},
    ),
    "poll": ({"quantity": "100", "answer_number": "7"}, 100, {"answer_number": "7"}),
    "invites from groups": ({"quantity": "100", "groups": LINES}, 100, {"groups": "first\nsecond\nthird"}),
    "web traffic": (
        {
            "quantity": "100",
            "country": "WW",
            "device": "5",
            "type_of_traffic": "1",
            "google_keyword": "shoes",
            "runs": "2",
            "interval": "30",
        },
        100,
        {"country": "WW", "device": "5", "type_of_traffic": "1", "google_keyword": "shoes"},
    ),
}


def test_the_table_below_covers_every_sellable_type() -> None:
    assert set(BY_TYPE) == {code for code, service_type in TYPES.items() if service_type.sellable}


@pytest.mark.parametrize("code", sorted(BY_TYPE))
def test_every_type_takes_its_parameters_and_is_charged_by_its_rule(
    code: str, call: Caller, meridian: Provider
) -> None:
    parameters, quantity, fields = BY_TYPE[code]
    kind = TYPES[code]
    service = world.service(world.offer(meridian, service_type=code, minimum=1), rate="2.00")
    assert call("services")[0]["type"] == kind.name

    order = Order.objects.get(pk=call("add", service=service.pk, link="@page", **parameters)["order"])

    runs = int(parameters.get("runs", 1))
    charge = Decimal("2") if kind.per_order else Decimal("0.002") * quantity * runs
    assert (order.quantity, order.fields, order.charge) == (quantity, fields, charge)
    assert call("status", order=order.pk)["remains"] == str(quantity * runs)
    world.sane()


@pytest.mark.parametrize(
    "code", sorted(code for code, kind in TYPES.items() if kind.fields and kind.sellable)
)
def test_every_type_names_the_parameter_that_is_missing(code: str, call: Caller, meridian: Provider) -> None:
    parameters, _quantity, _fields = BY_TYPE[code]
    service = world.service(world.offer(meridian, service_type=code, minimum=1))
    for field in TYPES[code].fields:
        if field.name in parameters:
            rest = {name: value for name, value in parameters.items() if name != field.name}
            answer = call("add", service=service.pk, link="@page", **rest)
            assert answer == {"error": f"Missing required parameter: {field.name}"}
    assert not Order.objects.exists()


# ── status ──────────────────────────────────────────────────────────────────────────────────────────


def test_status_before_the_first_report(call: Caller, shop: Service, alice: User) -> None:
    order = world.order(alice, shop, quantity=500)
    answer = call("status", order=order.pk)
    assert answer == {
        "charge": "1.00",
        "start_count": "0",
        "status": "Pending",
        "remains": "500",
        "currency": "USD",
    }
    assert list(answer) == ["charge", "start_count", "status", "remains", "currency"]


def test_status_after_a_partial_end_shows_what_it_cost(call: Caller, shop: Service, alice: User) -> None:
    order = world.order(alice, shop, quantity=1000)
    accepted(order)
    Order.objects.filter(pk=order.pk).update(start_count=3572)
    end_partial(lock_order(order.pk), 157, "ended early", "provider")
    answer = call("status", order=order.pk)
    assert answer == {
        "charge": "1.686",
        "start_count": "3572",
        "status": "Partial",
        "remains": "157",
        "currency": "USD",
    }
    world.sane()


def test_a_canceled_order_costs_nothing_and_has_one_l(call: Caller, shop: Service, alice: User) -> None:
    order = world.order(alice, shop)
    call("cancel", orders=order.pk)
    answer = call("status", order=order.pk)
    assert (answer["status"], answer["charge"], answer["remains"]) == ("Canceled", "0.00", "1000")
    world.sane()


def test_an_order_in_doubt_is_pending(call: Caller, shop: Service, alice: User) -> None:
    order = world.order(alice, shop)
    of = Submission.objects.filter(pk=order.pk)
    of.update(state="claimed", fence=1, lease_until=timezone.now())
    of.update(state="sending")
    of.update(state="unknown", lease_until=None)
    assert call("status", order=order.pk)["status"] == "Pending"


@pytest.mark.parametrize("word", ["Processing", "In progress"])
def test_status_says_the_protocols_words(word: str, call: Caller, shop: Service, alice: User) -> None:
    order = world.order(alice, shop)
    Order.objects.filter(pk=order.pk).update(status=word, remains=400, start_count=12)
    answer = call("status", order=order.pk)
    assert (answer["status"], answer["remains"], answer["start_count"]) == (word, "400", "12")


def test_several_orders_come_as_an_object_by_id(call: Caller, shop: Service, alice: User) -> None:
    first, second = world.order(alice, shop), world.order(alice, shop)
    answer = call("status", orders=f"{second.pk}, {first.pk},999999,nonsense")
    assert list(answer) == [str(second.pk), str(first.pk), "999999", "nonsense"]
    assert answer[str(first.pk)]["status"] == "Pending"
    assert answer["999999"] == answer["nonsense"] == {"error": "Incorrect order ID"}


def test_a_foreign_order_answers_like_a_missing_one(call: Caller, shop: Service) -> None:
    foreign = world.order(world.bob(), shop)
    ended(foreign, "Completed")
    request = Request.objects.create(order=foreign, kind="refill", created_by="customer")
    for action, one, many in [
        ("status", {"order": "{}"}, {"orders": "{}"}),
        ("refill", {"order": "{}"}, {"orders": "{}"}),
        ("cancel", {"order": "{}"}, {"orders": "{}"}),
        ("refill_status", {"refill": "{}"}, {"refills": "{}"}),
    ]:
        real = request.pk if action == "refill_status" else foreign.pk
        for form in (one, many):
            theirs = call(action, **{name: text.format(real) for name, text in form.items()})
            none = call(action, **{name: text.format(10**15) for name, text in form.items()})
            assert str(theirs).replace(str(real), "N") == str(none).replace(str(10**15), "N")
    assert Request.objects.count() == 1


# ── refill ──────────────────────────────────────────────────────────────────────────────────────────


def test_one_refill_answers_its_number_as_text(call: Caller, shop: Service, alice: User) -> None:
    order = world.order(alice, shop)
    accepted(order)
    ended(order, "Completed", remains=0)
    answer = call("refill", order=order.pk)
    request = Request.objects.get()
    assert answer == {"refill": str(request.pk)}
    assert (request.created_by, request.state) == ("api", "requested")
    assert call("refill", order=order.pk) == answer  # the open one, not a second
    assert call("refill_status", refill=request.pk) == {"status": "Pending"}


def test_several_refills_come_in_the_order_asked(call: Caller, shop: Service, alice: User) -> None:
    done, running = world.order(alice, shop), world.order(alice, shop)
    accepted(done)
    ended(done, "Completed", remains=0)
    answer = call("refill", orders=f"{running.pk},{done.pk},77777,{done.pk}")
    number = Request.objects.get().pk
    assert answer == [
        {"order": running.pk, "refill": {"error": "A refill can be asked for once the order is completed."}},
        {"order": done.pk, "refill": number},
        {"order": 77777, "refill": {"error": "Incorrect order ID"}},
        {"order": done.pk, "refill": number},
    ]
    assert call("refill_status", refills=f"{number},12345") == [
        {"refill": number, "status": "Pending"},
        {"refill": 12345, "status": {"error": "Refill not found"}},
    ]


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("requested", "Pending"), ("approved", "Pending"), ("unknown", "Pending"), ("accepted", "In progress"),
        ("done", "Completed"), ("rejected", "Rejected"), ("denied", "Rejected"), ("withdrawn", "Rejected"),
    ],
)  # fmt: skip
def test_refill_states_have_the_protocols_words(
    state: str, word: str, call: Caller, shop: Service, alice: User
) -> None:
    order = world.order(alice, shop)
    request = Request.objects.create(order=order, kind="refill", state=state, created_by="customer")
    assert call("refill_status", refill=request.pk) == {"status": word}


def test_a_cancel_is_no_refill(call: Caller, shop: Service, alice: User) -> None:
    request = Request.objects.create(order=world.order(alice, shop), kind="cancel", created_by="customer")
    assert call("refill_status", refill=request.pk) == {"error": "Refill not found"}


# ── cancel ──────────────────────────────────────────────────────────────────────────────────────────


def test_several_cancels_come_as_the_documented_list(call: Caller, shop: Service, alice: User) -> None:
    order = world.order(alice, shop)
    assert call("cancel", orders=f"9,{order.pk}") == [
        {"order": 9, "cancel": {"error": "Incorrect order ID"}},
        {"order": order.pk, "cancel": 1},
    ]
    assert Order.objects.get().refunded == Decimal("2")
    world.sane()


def test_one_cancel_by_order(call: Caller, shop: Service, alice: User) -> None:
    order = world.order(alice, shop)
    assert call("cancel", order=order.pk) == {"order": order.pk, "cancel": 1, "status": "success"}
    assert call("cancel", order=order.pk) == {"error": "The order has ended already."}
    world.sane()


def test_a_cancel_of_a_running_order_moves_no_money(call: Caller, shop: Service, alice: User) -> None:
    order = world.order(alice, shop)
    accepted(order)
    Order.objects.filter(pk=order.pk).update(status="In progress")
    assert call("cancel", orders=str(order.pk)) == [{"order": order.pk, "cancel": 1}]
    assert call("cancel", orders=str(order.pk)) == [{"order": order.pk, "cancel": 1}]
    assert Request.objects.count() == 1
    assert call("status", order=order.pk)["charge"] == "2.00"


# ── balance ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("held", "shown"), [("100.84292", "100.84292"), ("7", "7.00"), ("0", "0.00"), ("0.000001", "0.000001")]
)
def test_balance_is_a_text_with_all_decimals(held: str, shown: str, key_of: Any) -> None:
    user = world.customer("carol@example.org", held)
    answer = Caller(key_of(user))("balance")
    assert answer == {"balance": shown, "currency": "USD"}
    assert list(answer) == ["balance", "currency"]


def test_answers_are_compact_and_without_a_mark_before_them(call: Caller, shop: Service) -> None:
    response = call.post({"action": "add", "service": shop.pk, "link": "x", "quantity": 10})
    assert response.content == f'{{"order":{Order.objects.get().pk}}}'.encode()


def test_end_with_full_refund_is_canceled_everywhere(call: Caller, shop: Service, alice: User) -> None:
    order = world.order(alice, shop)
    accepted(order)
    end_with_full_refund(lock_order(order.pk), "canceled", "provider")
    assert call("status", orders=order.pk)[str(order.pk)]["status"] == "Canceled"
