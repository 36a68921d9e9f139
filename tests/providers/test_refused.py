"""An offer that its provider refuses to deliver: off sale, told once, until an admin or the list ends it."""

from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_httpserver import HTTPServer

from customers.models import AuditEntry
from orders.placing import find_service
from providers.applying import REFUSED, WAITS
from providers.catalog import sync_catalog
from providers.comparing import TWO_LISTS_APART
from providers.deciding import accept_changes
from providers.denying import deny
from providers.models import Alert, CatalogChange, Denial, Offer, Provider, Service
from providers.publishing import publish
from providers.refused import NotRefused, hold_refused, sell_again
from providers.routes import add_route
from tests import staff_world, world
from tests.providers.shop import Upstream, connected, everything_at, offer_of, service_of
from tests.providers.test_manage_providers import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(httpserver: HTTPServer, settings: object) -> Upstream:
    upstream = Upstream(httpserver)
    settings.PROVIDER_ALLOWED_PRIVATE = [upstream.origin]  # type: ignore[attr-defined]
    return upstream


@pytest.fixture
def selling(shop: Upstream) -> Provider:
    everything_at(50)
    shop.list_many(20)
    provider = connected(shop)
    sync_catalog(provider, apply=True)
    publish(provider)
    return provider


def open_alerts() -> list[str]:
    return list(Alert.objects.filter(closed_at=None).order_by("key").values_list("key", flat=True))


def test_a_refused_offer_goes_off_sale_and_is_told_once(selling: Provider) -> None:
    offer = offer_of(selling, 4)
    assert hold_refused(offer.pk, "Service is disabled")
    assert not hold_refused(offer.pk, "Service is disabled")
    assert service_of(selling, 4).off_sale == "Refused by the provider: Service is disabled"
    assert service_of(selling, 5).on_sale
    alert = Alert.objects.get(closed_at=None)
    assert (alert.key, alert.count, alert.provider) == (f"refused-service:{offer.pk}", 2, selling)
    assert "service 4 (Service is disabled)" in alert.text


def test_its_service_is_sold_by_the_next_route(selling: Provider) -> None:
    service = service_of(selling, 4)
    other = world.offer(world.provider(name="South"), "7", rate=Decimal("1.10"), maximum=300, refill=False)
    add_route(service, other)
    hold_refused(offer_of(selling, 4).pk, "Service is disabled")
    service.refresh_from_db()
    assert (service.on_sale, service.maximum, service.refill) == (True, 300, False)
    assert find_service(service.pk)[1].offer == other


def test_a_list_that_still_has_it_does_not_end_the_hold(shop: Upstream, selling: Provider) -> None:
    hold_refused(offer_of(selling, 4).pk, "Service is disabled")
    sync_catalog(selling, apply=True)
    shop.list(4, rate="1.05", min="20")
    sync_catalog(selling, apply=True)
    offer = offer_of(selling, 4)
    assert (offer.rate, offer.minimum, offer.on_hold) == (
        Decimal("1.05"), 20, f"{REFUSED}Service is disabled",
    )  # fmt: skip
    assert len(open_alerts()) == 1


def test_accepting_another_change_of_it_does_not_end_the_hold(shop: Upstream, selling: Provider) -> None:
    hold_refused(offer_of(selling, 4).pk, "Service is disabled")
    shop.list(4, rate="3")
    sync_catalog(selling, apply=True)
    accept_changes(selling)
    assert offer_of(selling, 4).on_hold.startswith(REFUSED)
    assert not service_of(selling, 4).on_sale


def test_left_out_of_the_list_and_named_again_it_is_sold_again(shop: Upstream, selling: Provider) -> None:
    hold_refused(offer_of(selling, 4).pk, "Service is disabled")
    shop.drop(4)
    sync_catalog(selling, apply=True)
    Offer.objects.filter(external_id="4").update(missing_since=timezone.now() - TWO_LISTS_APART)
    sync_catalog(selling, apply=True)
    assert offer_of(selling, 4).gone_at
    assert len(open_alerts()) == 1
    shop.list(4)
    sync_catalog(selling, apply=True)
    assert (offer_of(selling, 4).on_hold, service_of(selling, 4).on_sale, open_alerts()) == ("", True, [])


def test_returned_by_an_admins_yes_it_is_sold_again_unless_a_change_waits(
    shop: Upstream, selling: Provider
) -> None:
    for number in (4, 5):
        hold_refused(offer_of(selling, number).pk, "Service is disabled")
    Offer.objects.filter(external_id__in=["4", "5"]).update(gone_at=timezone.now() - timedelta(days=1))
    shop.list(5, rate="3")
    sync_catalog(selling, apply=False)
    back = CatalogChange.objects.filter(state="staged", kind="back")
    accept_changes(selling, change_ids=list(back.values_list("pk", flat=True)))
    assert (offer_of(selling, 4).on_hold, offer_of(selling, 5).on_hold) == ("", WAITS)
    assert open_alerts() == [f"holds:{selling.pk}"]


def test_an_admin_sells_it_again(selling: Provider) -> None:
    offer = offer_of(selling, 4)
    with pytest.raises(NotRefused):
        sell_again(offer)
    hold_refused(offer.pk, "Service is disabled")
    sell_again(offer, by=world.admin())
    assert (offer.on_hold, service_of(selling, 4).on_sale, open_alerts()) == ("", True, [])
    entry = AuditEntry.objects.get(verb="offer.sell_again")
    assert entry.details == {"refused": f"{REFUSED}Service is disabled"}
    assert hold_refused(offer.pk, "Service is disabled"), "the next refusal holds it again"
    deny(Denial.Kind.WORD, "placement 4", "we do not sell it")
    sell_again(offer)
    assert "deny-list" in offer.on_hold


def test_a_price_rise_that_waits_is_not_forgotten_by_it(shop: Upstream, selling: Provider) -> None:
    hold_refused(offer_of(selling, 4).pk, "Service is disabled")
    shop.list(4, rate="3")
    sync_catalog(selling, apply=True)
    offer = offer_of(selling, 4)
    sell_again(offer)
    assert (offer.on_hold, service_of(selling, 4).on_sale) == (WAITS, False)
    sync_catalog(selling, apply=True)
    assert "The price rose" in offer_of(selling, 4).on_hold


def test_the_page_shows_the_hold_and_what_ends_it(selling: Provider) -> None:
    service = service_of(selling, 4)
    hold_refused(offer_of(selling, 4).pk, "Service is disabled")
    browser = staff_world.signed_in(world.admin())
    page = text_of(browser.get(f"/manage/services/{service.pk}"))
    assert "Refused by the provider: Service is disabled" in page
    assert "leaves the provider's list and returns" in page.replace("&#x27;", "'")
    route = service.routes.get()
    act = {"act": "again", "id": route.pk, "preview": "1"}
    answer = browser.post(f"/manage/services/{service.pk}/routes", act, follow=True)
    assert "it is held back again" in text_of(answer)
    service.refresh_from_db()
    assert service.on_sale
    answer = browser.post(f"/manage/services/{service.pk}/routes", act, follow=True)
    assert "not held because of a refusal" in text_of(answer)


def test_the_command_sells_it_again(selling: Provider) -> None:
    service = service_of(selling, 4)
    hold_refused(offer_of(selling, 4).pk, "Service is disabled")
    call_command("route", service.pk, "again", selling.name, "4", stdout=StringIO())
    assert Service.objects.get(pk=service.pk).on_sale
    with pytest.raises(CommandError, match="not held"):
        call_command("route", service.pk, "again", selling.name, "4", stdout=StringIO())
