"""What staff correct before anything is sent: held, released, rejected, another link, another route; never too late."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from customers import wallet
from customers.models import AuditEntry, User
from orders.correcting import CannotCorrect, change_route_at_a_loss
from orders.loss_lock import alert_losses
from orders.models import DispatchSwitch, Order, OrderEvent, Submission
from orders.submission import _claim, submit_lane
from providers.denying import deny
from providers.models import Offer, Route, Service
from tests import staff_world, world
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def impressions() -> Service:
    """2.00 per 1000 at a cost of 1.00; by Meridian, with other routes as tests add them."""
    return world.service(world.offer(world.provider()), rate="2.00")


@pytest.fixture
def alice() -> User:
    return world.customer()


@pytest.fixture
def staff() -> Client:
    return staff_world.signed_in(world.reviewer())


@pytest.fixture
def order(alice: User, impressions: Service) -> Order:
    return world.order(alice, impressions)


def another(service: Service, name: str = "Northwind", **fields: Any) -> Route:
    """A route by another provider, after the first."""
    adapter = fields.pop("adapter", "standard")
    by: Offer = world.offer(world.provider(name=name, adapter=adapter), **fields)
    return Route.objects.create(service=service, offer=by, position=1)


def text(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def do(staff: Client, order: Order, act: str, **data: Any) -> Any:
    return staff.post(
        f"/staff/orders/{order.pk}/act", {"act": act, "reason": "Called them"} | data, follow=True
    )


def reroute(staff: Client, order: Order, route: Route) -> Any:
    seen = Submission.objects.values_list("offer_id", flat=True).get(pk=order.pk)
    return do(staff, order, "change_route", route=route.pk, seen=seen)


def test_held_released_and_rejected_on_the_page(staff: Client, alice: User, order: Order) -> None:
    page = text(staff.get(f"/staff/orders/{order.pk}"))
    assert "Hold" in page
    assert "Release" not in page
    do(staff, order, "hold")
    assert world.state_of(order) == "held"
    do(staff, order, "release")
    assert world.state_of(order) == "queued"
    do(staff, order, "reject", reason="This page does not exist")
    order.refresh_from_db()
    assert (order.status, wallet.balance_of(alice)) == ("Canceled", 100)
    page = text(staff.get(f"/staff/orders/{order.pk}"))
    assert "it takes a new order" in page
    assert list(AuditEntry.objects.order_by("pk").values_list("verb", flat=True)) == [
        "order.hold", "order.release", "order.reject",
    ]  # fmt: skip
    world.sane()


@pytest.mark.parametrize("act", ["hold", "reject", "send_now", "edit_link", "change_route"])
def test_every_act_needs_a_reason_and_a_worker_that_was_quicker_wins(
    staff: Client, order: Order, act: str
) -> None:
    more = {
        "link": "https://example.org/new",
        "seen": order.link if act == "edit_link" else "1",
        "route": "1",
    }
    assert do(staff, order, act, **more, reason=" ").status_code == 422
    assert _claim(order.submission.provider_id, 1, force=False, besides=set())
    refused = do(staff, order, act, **more)
    assert (refused.status_code, "The order is claimed." in text(refused)) == (422, True)
    order.refresh_from_db()
    assert (world.state_of(order), order.link, order.refunded) == ("claimed", "https://example.org/page", 0)
    assert not AuditEntry.objects.exists()


def test_an_unknown_act_and_an_unknown_order_are_404(staff: Client, order: Order) -> None:
    assert do(staff, order, "resell").status_code == 404
    assert staff.post("/staff/orders/999999/act", {"act": "hold", "reason": "x"}).status_code == 404


def test_the_new_link_is_the_one_that_is_sent(upstream: Sandbox, views: Service) -> None:
    staff = staff_world.signed_in(world.reviewer())
    order = world.order(world.customer(), views, "https://example.org/tpyo")
    do(staff, order, "edit_link", link=" https://example.org/typo ", seen="https://example.org/tpyo")
    provider_id = Submission.objects.values_list("provider_id", flat=True).get(pk=order.pk)
    assert submit_lane(provider_id).accepted == 1
    assert [line["link"] for line in upstream.truth() if line.get("link")] == ["https://example.org/typo"]
    event = OrderEvent.objects.get(order=order, after="link")
    assert event.why == "https://example.org/tpyo → https://example.org/typo. Called them"
    assert event.staff_only


@pytest.mark.parametrize(
    ("link", "seen", "says"),
    [
        ("", "https://example.org/page", "Enter a link."),
        ("https://example.org/page", "https://example.org/page", "This is the link that it has."),
        ("https://example.org/b", "https://example.org/older", "Somebody changed the link meanwhile."),
        ("x" * 3000, "https://example.org/page", "longer than"),
    ],
)
def test_a_link_is_checked_like_in_an_order(
    staff: Client, order: Order, link: str, seen: str, says: str
) -> None:
    refused = do(staff, order, "edit_link", link=link, seen=seen)
    assert (refused.status_code, says in text(refused)) == (422, True)
    order.refresh_from_db()
    assert order.link == "https://example.org/page"


@pytest.mark.parametrize(
    ("kind", "entry", "link"),
    [
        ("host", "casino.example", "https://www.casino.example/win"),
        ("link", "/weapons/", "https://example.org/Weapons/1"),
        ("word", "bad phrase", "https://example.org/?q=bad phrase"),
    ],
)
def test_the_deny_list_holds_for_a_link_that_staff_write(
    staff: Client, order: Order, kind: str, entry: str, link: str
) -> None:
    deny(kind, entry, "The law")
    refused = do(staff, order, "edit_link", link=link, seen="https://example.org/page")
    assert refused.status_code == 422
    assert "not accepted here" in text(refused)
    order.refresh_from_db()
    assert order.link == "https://example.org/page"
    assert not AuditEntry.objects.filter(verb="order.link").exists()


def test_another_route_freezes_its_cost_and_keeps_the_charge(
    staff: Client, order: Order, impressions: Service
) -> None:
    route = another(impressions, rate=Decimal("1.60"))
    assert "The route is changed" in text(reroute(staff, order, route))
    order.refresh_from_db()
    submission = Submission.objects.select_related("provider").get(pk=order.pk)
    assert (submission.provider.name, submission.offer_id, submission.state) == (
        "Northwind",
        route.offer_id,
        "queued",
    )
    assert (order.cost, order.charge) == (Decimal("1.6"), 2)
    details = AuditEntry.objects.get(verb="order.route").details
    assert details["cost"] == ["1.000000", "1.600000"]
    stale = do(staff, order, "change_route", route=route.pk, seen=impressions.routes.first().offer_id)
    assert stale.status_code == 422
    world.sane()


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"rate": Decimal("2.10")}, "costs more now than the customer paid"),
        ({"maximum": 500}, "It takes 10 to 500."),
        ({"cancel": False}, "refill or cancel"),
        ({"gone_at": timezone.now()}, "no longer lists it"),
        ({"service_type": "package"}, "another type"),
    ],
)
def test_a_route_that_does_not_fit_says_why_and_is_refused(
    staff: Client, order: Order, impressions: Service, fields: dict[str, Any], says: str
) -> None:
    route = another(impressions, **fields)
    assert says in text(staff.get(f"/staff/orders/{order.pk}"))
    refused = reroute(staff, order, route)
    assert (refused.status_code, says in text(refused)) == (422, True)
    assert Submission.objects.get(pk=order.pk).provider.name == "Meridian"


def at_a_loss(
    order: Order, route: Route, by: User, loss: str = "0.10", reason: str = "We promised it"
) -> Decimal:
    seen = Submission.objects.values_list("offer_id", flat=True).get(pk=order.pk)
    return change_route_at_a_loss(order.pk, route.pk, seen=seen, loss=Decimal(loss), reason=reason, by=by)


def test_an_admin_sends_an_order_by_a_route_that_costs_more_than_its_charge(
    staff: Client, order: Order, impressions: Service
) -> None:
    route, adam = another(impressions, rate=Decimal("2.10")), world.admin()
    assert at_a_loss(order, route, adam) == Decimal("0.1")
    order.refresh_from_db()
    submission = Submission.objects.get(pk=order.pk)
    assert (submission.offer_id, submission.state, order.cost, order.charge) == (
        route.offer_id, "queued", Decimal("2.1"), 2,
    )  # fmt: skip
    entry = AuditEntry.objects.get(verb="order.route_at_a_loss")
    assert entry.actor == adam
    assert (entry.details["loss"], entry.details["cost"], entry.details["charge"], entry.details["reason"]) == (
        "0.100000", ["1.000000", "2.100000"], "2.000000", "We promised it",
    )  # fmt: skip
    event = OrderEvent.objects.get(order=order, kind="submission", actor=adam.email)
    assert event.why == "Route changed at a loss: We promised it"  # the figures are in the audit log
    assert event.staff_only
    page = text(staff.get(f"/staff/orders/{order.pk}"))
    assert "We promised it" in page and "$2.10" not in page  # a reviewer sees no cost
    assert alert_losses({order.pk: (Decimal("2.10"), "USD")}) == 0  # the loss that was agreed to is no news
    assert alert_losses({order.pk: (Decimal("2.30"), "USD")}) == 1
    world.sane()


@pytest.mark.parametrize(
    ("fields", "loss", "reason", "says"),
    [
        ({"rate": Decimal("2.10")}, "0.10", " ", "A reason is needed"),
        ({"rate": Decimal("2.20")}, "0.10", "x", r"The loss is \$0.20 now, not \$0.10"),
        ({"rate": Decimal("1.50")}, "0.10", "x", "costs no more than the customer paid"),
        ({"rate": Decimal("2.10"), "maximum": 500}, "0.10", "x", "It takes 10 to 500"),
    ],
)
def test_a_loss_is_said_with_its_reason_and_fits_in_everything_else(
    order: Order, impressions: Service, fields: dict[str, Any], loss: str, reason: str, says: str
) -> None:
    with pytest.raises(CannotCorrect, match=says):
        at_a_loss(order, another(impressions, **fields), world.admin(), loss, reason)
    order.refresh_from_db()
    assert (order.cost, order.submission.provider.name) == (1, "Meridian")
    assert not AuditEntry.objects.exists()


def test_a_reviewer_sends_nothing_at_a_loss(order: Order, impressions: Service) -> None:
    route = another(impressions, rate=Decimal("2.10"))
    with pytest.raises(CannotCorrect, match="Only an admin"):
        at_a_loss(order, route, world.reviewer())
    assert order.submission.provider.name == "Meridian"


def test_the_page_offers_a_loss_to_admins_only_and_takes_the_loss_that_was_seen(
    staff: Client, order: Order, impressions: Service
) -> None:
    route = another(impressions, rate=Decimal("2.10"))
    seen = Submission.objects.values_list("offer_id", flat=True).get(pk=order.pk)
    agreed = {"seen": seen, "route_at_loss": f"{route.pk}|0.100000"}
    assert "Change the route at a loss" not in text(staff.get(f"/staff/orders/{order.pk}"))
    assert do(staff, order, "change_route_at_a_loss", **agreed).status_code == 403
    admin = staff_world.signed_in(world.admin())
    page = admin.get(f"/staff/orders/{order.pk}")
    assert "cost $2.10, paid $2.00: we lose $0.10" in text(page)
    assert f'value="{route.pk}|0.100000"' in page.content.decode()
    for wrong in ({"route_at_loss": ""}, {"route_at_loss": f"{route.pk}|0.05"}, {"reason": " "}):
        assert do(admin, order, "change_route_at_a_loss", **(agreed | wrong)).status_code == 422
    for no_loss in ("-1e30", "1e30", "10000000000001", "0", "-0.10", "NaN", "x"):
        refused = do(admin, order, "change_route_at_a_loss", seen=seen, route_at_loss=f"{route.pk}|{no_loss}")
        assert (refused.status_code, "Choose a route." in text(refused)) == (422, True), no_loss
    done = do(admin, order, "change_route_at_a_loss", **agreed)
    assert "We lose $0.10 on this order" in text(done)
    assert Submission.objects.get(pk=order.pk).offer_id == route.offer_id
    world.sane()


def test_a_reviewer_sees_no_cost_of_routes(staff: Client, order: Order, impressions: Service) -> None:
    another(impressions, rate=Decimal("1.37"))
    assert "1.37" not in staff.get(f"/staff/orders/{order.pk}").content.decode()
    admin = staff_world.signed_in(world.admin())
    assert "cost $1.37" in text(admin.get(f"/staff/orders/{order.pk}"))


def test_to_a_route_by_hand_it_waits_for_staff_and_back_it_is_queued(
    staff: Client, order: Order, impressions: Service
) -> None:
    by_hand = another(impressions, "Our own desk", adapter="manual", rate=Decimal(0))
    reroute(staff, order, by_hand)
    assert world.state_of(order) == "held"
    assert "Start the order" in text(staff.get(f"/staff/orders/{order.pk}"))
    reroute(staff, order, impressions.routes.get(position=0))
    assert world.state_of(order) == "queued"


def test_what_somebody_held_stays_held_on_another_route(
    staff: Client, order: Order, impressions: Service
) -> None:
    route = another(impressions)
    do(staff, order, "hold")
    reroute(staff, order, route)
    assert world.state_of(order) == "held"


def test_after_a_refusal_that_proves_it_is_sent_again_at_once_or_by_another_route(
    staff: Client, order: Order, impressions: Service
) -> None:
    row = Submission.objects.filter(pk=order.pk)
    _refused(order, row)
    page = text(staff.get(f"/staff/orders/{order.pk}"))
    assert "Resend now" in page
    assert "It could not be sent: no connection to the provider" in page
    do(staff, order, "send_now")
    assert row.get().next_at <= timezone.now()
    assert do(staff, order, "send_now").status_code == 422  # due already
    assert "The route is changed" in text(reroute(staff, order, another(impressions)))


def test_an_attempt_that_may_exist_upstream_fixes_link_and_route(
    staff: Client, order: Order, impressions: Service
) -> None:
    route = another(impressions)
    staff_world.doubtful(order)
    for act, more in (("edit_link", {"link": "https://example.org/x", "seen": order.link}), ("send_now", {})):
        assert do(staff, order, act, **more).status_code == 422
    assert reroute(staff, order, route).status_code == 422
    page = staff.get(f"/staff/orders/{order.pk}").content.decode()
    assert "/act" not in page
    # The desk found it absent and sends it again: as it was, because an attempt was in doubt.
    from orders import desk

    Submission.objects.update(state_at=timezone.now() - timedelta(days=1))
    desk.decide(order.pk, "absent_resend", reason="Looked", user=None, actor="x")
    assert world.state_of(order) == "queued"
    refused = reroute(staff, order, route)
    assert "sent again only as it was" in text(refused)
    world.sane()


def test_in_a_restored_database_nothing_is_corrected(staff: Client, order: Order) -> None:
    DispatchSwitch.objects.update(restored=True)
    assert do(staff, order, "edit_link", link="https://example.org/x", seen=order.link).status_code == 422
    assert do(staff, order, "reject").status_code == 422
    page = staff.get(f"/staff/orders/{order.pk}").content.decode()
    assert "New link" not in page


def _refused(order: Order, row: Any) -> None:
    """One attempt that the provider provably did not accept; the order waits ten minutes."""
    from orders.recording import record
    from providers.adapters.errors import NotSent

    record(staff_world._begun(order), NotSent("Connection refused", reason="connect"))
    row.update(next_at=timezone.now() + timedelta(minutes=10))
    assert row.get().state == "queued"
