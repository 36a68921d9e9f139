"""Catalog changes on the page: what each would do, accepting, refusing, undoing."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from customers.models import AuditEntry
from providers.catalog import sync_catalog
from providers.change_effects import effects_of
from providers.models import CatalogChange, Provider, Service
from providers.publishing import publish
from tests import staff_world, world
from tests.providers.shop import Upstream, connected, everything_at, offer_of, service_of
from tests.providers.test_manage_providers import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser() -> Client:
    return staff_world.signed_in(world.admin())


@pytest.fixture
def meridian(shop: Upstream) -> Provider:
    """Three services on sale at 25 % on a cost of 1.00."""
    everything_at(25)
    shop.list_many(3)
    provider = connected(shop)
    sync_catalog(provider, apply=True)
    publish(provider)
    return provider


def staged(provider: Provider, kind: str = "price") -> list[CatalogChange]:
    changes = CatalogChange.objects.filter(provider=provider, state="staged", kind=kind)
    return list(changes.select_related("offer", "provider").order_by("external_id"))


def test_a_price_change_shows_cost_price_and_margin_before_and_after(
    browser: Client, shop: Upstream, meridian: Provider
) -> None:
    shop.list(1, rate="1.50")
    sync_catalog(meridian, apply=False)
    row = effects_of(staged(meridian)).rows[0]
    effect = row.effect
    assert effect is not None
    assert (effect.price_before, effect.price_after) == (Decimal("1.25"), Decimal("1.875"))
    assert (effect.margin_before, effect.margin_after) == (Decimal("20.0"), Decimal("20.0"))
    assert row.cost_change_percent == Decimal("50.0")
    page = text_of(browser.get(f"/manage/providers/{meridian.pk}"))
    assert "Placement 1" in page and "+50.0%" in page and "beyond the limits" in page
    service = service_of(meridian, 1)
    assert service.rate == Decimal("1.25"), "showing changes nothing"


def test_a_pinned_price_that_would_fall_below_cost_is_not_selected(
    browser: Client, shop: Upstream, meridian: Provider
) -> None:
    service = service_of(meridian, 1)
    service.pinned_rate = Decimal("1.20")
    service.save()
    shop.list(1, rate="1.50")
    shop.list(2, rate="1.50")
    sync_catalog(meridian, apply=False)
    effects = effects_of(staged(meridian))
    assert effects.below_cost == 1
    html = browser.get(f"/manage/catalog?provider={meridian.pk}").content.decode()
    boxes = {
        part.split('"')[0]: "checked" in part.split(">")[0]
        for part in html.split('name="change" value="')[1:]
    }
    first, second = (str(change.pk) for change in staged(meridian))
    assert boxes == {first: False, second: True}


def test_accepting_what_is_selected_moves_the_price_and_leaves_the_rest(
    browser: Client, shop: Upstream, meridian: Provider
) -> None:
    shop.list(1, rate="1.50")
    shop.list(2, rate="1.60")
    sync_catalog(meridian, apply=False)
    first, _second = staged(meridian)
    answer = browser.post(
        "/manage/catalog/decide",
        {"decision": "accept", "change": [first.pk], "provider": meridian.pk, "kind": "price",
         "next": f"/manage/providers/{meridian.pk}"},
    )  # fmt: skip
    assert answer.headers["Location"] == f"/manage/providers/{meridian.pk}"
    assert service_of(meridian, 1).rate == Decimal("1.875")
    assert service_of(meridian, 2).rate == Decimal("1.25")
    assert [change.external_id for change in staged(meridian)] == ["2"]
    assert AuditEntry.objects.filter(verb="catalog.accept", actor__email="adam@example.org").exists()


def test_accepting_all_of_a_kind_takes_every_provider_and_no_other_kind(
    browser: Client, shop: Upstream, meridian: Provider
) -> None:
    shop.list(1, rate="1.50")
    shop.list(2, min="20")
    sync_catalog(meridian, apply=False)
    browser.post("/manage/catalog/decide", {"decision": "accept_all", "kind": "price"})
    assert not staged(meridian)
    assert len(staged(meridian, "limits")) == 1


def test_refusing_keeps_the_price_and_the_change_does_not_come_back(
    browser: Client, shop: Upstream, meridian: Provider
) -> None:
    shop.list(1, rate="1.50")
    sync_catalog(meridian, apply=False)
    browser.post("/manage/catalog/decide", {"decision": "refuse", "change": [staged(meridian)[0].pk]})
    sync_catalog(meridian, apply=False)
    assert not staged(meridian)
    assert service_of(meridian, 1).rate == Decimal("1.25")


def test_a_decision_can_be_undone_from_the_providers_page(
    browser: Client, shop: Upstream, meridian: Provider
) -> None:
    shop.list(1, min="50")
    sync_catalog(meridian, apply=False)
    browser.post(
        "/manage/catalog/decide", {"decision": "accept", "change": [staged(meridian, "limits")[0].pk]}
    )
    assert offer_of(meridian, 1).minimum == 50
    revision = CatalogChange.objects.get(kind="limits").revision
    assert str(revision) in browser.get(f"/manage/providers/{meridian.pk}").content.decode()
    browser.post(f"/manage/providers/{meridian.pk}/undo", {"revision": str(revision)})
    assert offer_of(meridian, 1).minimum == 10


def test_somebody_elses_earlier_decision_is_not_made_twice(
    browser: Client, shop: Upstream, meridian: Provider
) -> None:
    shop.list(1, rate="1.50")
    sync_catalog(meridian, apply=False)
    change = staged(meridian)[0]
    browser.post("/manage/catalog/decide", {"decision": "refuse", "change": [change.pk]})
    answer = browser.post(
        "/manage/catalog/decide", {"decision": "accept", "change": [change.pk]}, follow=True
    )
    assert "somebody decided it meanwhile" in text_of(answer)
    assert service_of(meridian, 1).rate == Decimal("1.25")


def test_back_never_leads_outside(browser: Client) -> None:
    answer = browser.post(
        "/manage/catalog/decide", {"decision": "accept", "next": "https://evil.example/manage/"}
    )
    assert answer.headers["Location"] == "/manage/catalog"


def test_the_effect_of_what_is_selected_is_said_before_it_is_accepted(
    browser: Client, shop: Upstream, meridian: Provider
) -> None:
    world.order(world.customer(), service_of(meridian, 1), quantity=2000)
    for number in (1, 2):
        shop.list(number, rate="1.50")
    sync_catalog(meridian, apply=False)
    both = text_of(browser.get(f"/manage/catalog?provider={meridian.pk}"))
    assert (
        "Accept selected: 2 changes would touch 2 services on sale: 2 would get dearer by more than 20 %"
        in both
    )
    # 2,000 at a margin of 0.375 instead of 0.25 per 1000
    assert "on the orders of the last 30 days the profit would have been 0.25 USD higher" in both
    second = staged(meridian)[1]
    part = browser.post("/manage/catalog/effect", {"change": [second.pk], "kind": "price"})
    assert "1 change would touch 1 service on sale" in text_of(part)
    assert "the profit would have been the same" in text_of(part)
    everything = browser.post("/manage/catalog/effect", {"decision": "accept_all", "kind": "price"})
    assert "Accept all: 2 changes" in text_of(everything)
    assert "nothing is selected" in text_of(browser.post("/manage/catalog/effect", {"kind": "price"}))
    assert len(staged(meridian)) == 2, "asking decides nothing"


def test_a_vanished_service_shows_what_accepting_would_take_off_sale(
    browser: Client, shop: Upstream, meridian: Provider
) -> None:
    world.order(world.customer(), service_of(meridian, 3))
    shop.list_many(30)
    shop.drop(3)
    sync_catalog(meridian, apply=False)
    shown = text_of(browser.get(f"/manage/catalog?provider={meridian.pk}&kind=missing"))
    assert (
        "1 service on sale would lose the offer that delivers it; 1 open order of them would go on." in shown
    )


# ── several providers, and a decision in each row ───────────────────────────────────────────────────


@pytest.fixture
def atlas(shop: Upstream, meridian: Provider) -> Provider:
    """A second provider with the same list, on sale at the same prices."""
    provider = connected(shop, name="Atlas")
    sync_catalog(provider, apply=True)
    publish(provider)
    return provider


def dearer(shop: Upstream, *providers: Provider) -> None:
    for number in (1, 2, 3):
        shop.list(number, rate="1.50")
    for provider in providers:
        sync_catalog(provider, apply=False)


def test_what_is_accepted_of_several_providers_is_one_revision_and_undone_as_one(
    browser: Client, shop: Upstream, meridian: Provider, atlas: Provider
) -> None:
    dearer(shop, meridian, atlas)
    with CaptureQueriesContext(connection) as queries:
        browser.post("/manage/catalog/decide", {"decision": "accept_all", "kind": "price"})
    locks = [query["sql"] for query in queries if "pg_advisory_xact_lock" in query["sql"]]
    assert f"71001, {meridian.pk})" in locks[0] and f"71001, {atlas.pk})" in locks[1], "in order of their ids"
    assert any("71002" in sql for sql in locks[2:]), "all offers are locked before any price"
    assert {service_of(provider, 2).rate for provider in (meridian, atlas)} == {Decimal("1.875")}
    (revision,) = CatalogChange.objects.filter(kind="price").values_list("revision", flat=True).distinct()
    accepted = AuditEntry.objects.filter(verb="catalog.accept")
    assert [entry.details["revision"] for entry in accepted] == [str(revision)] * 2
    assert "6 changes of 2 providers" in text_of(browser.get("/manage/catalog"))
    assert "3 changes, with those of 1 other provider" in text_of(
        browser.get(f"/manage/providers/{atlas.pk}")
    )
    said = text_of(browser.post("/manage/catalog/undo", {"revision": str(revision)}, follow=True))
    assert "6 changes of Meridian, Atlas were undone; prices follow." in said
    for provider in (meridian, atlas):
        assert offer_of(provider, 2).rate == Decimal(1)
    for gone in (str(revision), "none"):
        again = text_of(browser.post("/manage/catalog/undo", {"revision": gone}, follow=True))
        assert "There is nothing to undo in this revision." in again


def test_undoing_together_undoes_nothing_where_one_provider_changed_since(
    browser: Client, shop: Upstream, meridian: Provider, atlas: Provider
) -> None:
    dearer(shop, meridian, atlas)
    browser.post("/manage/catalog/decide", {"decision": "accept_all", "kind": "price"})
    revision = CatalogChange.objects.filter(provider=atlas, kind="price")[0].revision
    shop.list(3, rate="1.55")
    sync_catalog(atlas, apply=True)
    said = text_of(
        browser.post(f"/manage/providers/{meridian.pk}/undo", {"revision": str(revision)}, follow=True)
    )
    assert "Service 3 was changed again since; undo that first." in said
    assert service_of(meridian, 1).rate == Decimal("1.875")
    assert not CatalogChange.objects.filter(state="undone").exists()


def test_each_row_takes_its_own_decision_in_one_post_with_the_button_for_the_rest(
    browser: Client, shop: Upstream, meridian: Provider, atlas: Provider
) -> None:
    dearer(shop, meridian, atlas)
    page = browser.get("/manage/catalog").content.decode()
    one, two, three = staged(meridian)
    assert f'name="decide-{one.pk}"' in page
    ticked = [change.pk for change in (one, two, three, *staged(atlas))]
    own = {f"decide-{one.pk}": "refuse", f"decide-{two.pk}": "later", f"decide-{three.pk}": ""}
    told = browser.post("/manage/catalog/effect", {"decision": "", "change": ticked} | own)
    assert "4 changes would touch 4 services on sale" in text_of(told)
    said = text_of(
        browser.post("/manage/catalog/decide", {"decision": "accept", "change": ticked} | own, follow=True)
    )
    assert "4 changes accepted" in said and "1 change refused" in said
    states = CatalogChange.objects.filter(provider=meridian, kind="price").order_by("external_id")
    assert list(states.values_list("state", flat=True)) == ["refused", "staged", "applied"]
    assert not staged(atlas)


def test_only_the_decisions_in_rows_count_with_their_button(
    browser: Client, shop: Upstream, meridian: Provider
) -> None:
    dearer(shop, meridian)
    one, two, three = staged(meridian)
    own, last = f"decide-{one.pk}", f"decide-{two.pk}"

    def post(**values: object) -> list[int]:
        browser.post("/manage/catalog/decide", values)
        return [change.pk for change in staged(meridian)]

    ticked = [one.pk, two.pk, three.pk]
    assert post(decision="rows", change=ticked, **{own: "accept", last: "nonsense"}) == [two.pk, three.pk]
    assert post(decision="accept_all", kind="price", **{last: "later"}) == [two.pk]
    assert post(decision="refuse", **{last: "accept"}) == [], "unticked, its own decision counts all the same"
    assert service_of(meridian, 2).rate == Decimal("1.875")


def test_an_undo_asks_first_and_shows_what_it_does_to_prices(
    browser: Client, shop: Upstream, meridian: Provider
) -> None:
    shop.list(1, rate="1.50")
    sync_catalog(meridian, apply=False)
    browser.post("/manage/catalog/decide", {"decision": "accept_all", "kind": "price"})
    revision = str(CatalogChange.objects.get(kind="price").revision)
    page = browser.get("/manage/catalog").content.decode()
    assert 'name="preview" value="1"' in page
    for address in ("/manage/catalog/undo", f"/manage/providers/{meridian.pk}/undo"):
        asked = text_of(browser.post(address, {"revision": revision, "preview": "1"}))
        assert "Undo 1 change of Meridian?" in asked
        assert "It would be off sale: A price rise was undone here" in asked
        assert service_of(meridian, 1).rate == Decimal("1.875"), "asking undoes nothing"
    said = text_of(browser.post("/manage/catalog/undo", {"revision": revision}, follow=True))
    assert "1 change of Meridian was undone; prices follow." in said
    again = text_of(browser.post("/manage/catalog/undo", {"revision": revision, "preview": "1"}, follow=True))
    assert "There is nothing to undo in this revision." in again


@pytest.fixture
def pinned(shop: Upstream, meridian: Provider) -> Service:
    """A service at a pinned price, whose offer is about to cost more than that."""
    service = service_of(meridian, 1)
    Service.objects.filter(pk=service.pk).update(pinned_rate=Decimal("1.25"))
    dearer(shop, meridian)
    return service


def test_a_row_below_cost_is_preset_to_hide_the_service_and_an_undo_shows_it_again(
    browser: Client, meridian: Provider, pinned: Service
) -> None:
    page = browser.get("/manage/catalog").content.decode()
    assert page.count('<option value="hide" selected>') == 1
    assert page.count('<option value="hide">') == 2
    told = text_of(browser.get("/manage/catalog"))
    assert "3 changes would touch 3 services on sale: 1 would be hidden; 2 would get dearer" in told
    below, one, two = staged(meridian)
    own = {f"decide-{below.pk}": "hide"}
    said = text_of(
        browser.post(
            "/manage/catalog/decide", {"decision": "accept", "change": [one.pk, two.pk]} | own, follow=True
        )
    )
    assert "3 changes accepted" in said and "1 service is off the list until you publish it again." in said
    pinned.refresh_from_db()
    assert (pinned.published, offer_of(meridian, 1).rate) == (False, Decimal("1.5"))
    assert service_of(meridian, 2).on_sale
    revision = {"revision": str(CatalogChange.objects.filter(kind="price")[0].revision)}
    asked = text_of(browser.post("/manage/catalog/undo", revision | {"preview": "1"}))
    assert "1 hidden service comes back on the list" in asked
    browser.post("/manage/catalog/undo", revision)
    pinned.refresh_from_db()
    assert pinned.published and offer_of(meridian, 1).rate == 1
    verbs = set(AuditEntry.objects.values_list("verb", flat=True))
    assert {"services.unpublish", "services.publish"} <= verbs


def test_a_preset_to_hide_does_not_count_while_others_are_refused(
    browser: Client, meridian: Provider, pinned: Service
) -> None:
    below, one, _two = staged(meridian)
    own = {f"decide-{below.pk}": "hide"}
    browser.post("/manage/catalog/decide", {"decision": "refuse", "change": [one.pk]} | own)
    pinned.refresh_from_db()
    assert pinned.published and below in staged(meridian)
    browser.post("/manage/catalog/decide", {"decision": "rows"} | own)
    pinned.refresh_from_db()
    assert not pinned.published and below not in staged(meridian)
