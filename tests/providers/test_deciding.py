"""Deciding catalog changes: accepting, refusing, and taking a revision back; what is then sold, and what waits for a person."""

import uuid
from decimal import Decimal

import pytest

from providers.catalog import sync_catalog
from providers.deciding import (
    CannotUndo,
    NothingWaits,
    accept_changes,
    decide_together,
    refuse_changes,
    undo_together,
)
from providers.models import CatalogChange, Offer, Provider
from providers.publishing import publish
from providers.routes import add_route
from tests.providers.shop import Upstream, connected, offer_of, service_of

pytestmark = pytest.mark.django_db


def test_a_refused_change_is_not_offered_again_and_the_service_stays_off_sale(
    shop: Upstream, selling: Provider
) -> None:
    shop.list(4, rate="2")
    shop.list(30)
    sync_catalog(selling, apply=False)
    assert refuse_changes(selling) == 2
    assert sync_catalog(selling, apply=True).applied == 0
    assert not CatalogChange.objects.filter(state="staged").exists()
    assert not service_of(selling, 4).on_sale
    assert not Offer.objects.filter(external_id="30").exists()
    shop.list(4, rate="3")
    sync_catalog(selling, apply=True)
    assert CatalogChange.objects.get(state="staged").after == {"rate": "3.00000000"}


def test_accepting_an_id_without_a_staged_change_applies_nothing(shop: Upstream, selling: Provider) -> None:
    shop.list(4, rate="2")
    sync_catalog(selling, apply=True)
    with pytest.raises(NothingWaits, match="99"):
        accept_changes(selling, ["4", "99"])
    assert not service_of(selling, 4).on_sale


def test_a_revision_is_undone_together_and_the_rise_stays_on_hold(shop: Upstream, selling: Provider) -> None:
    shop.list(4, rate="2")
    shop.list(5, rate="0.5", name="Renamed")
    shop.drop(6)
    sync_catalog(selling, apply=False)
    revision = accept_changes(selling).revision
    assert undo_together(revision) == {selling.name: 4}
    assert offer_of(selling, 4).rate == offer_of(selling, 5).rate == 1
    assert offer_of(selling, 5).name == "Placement 5"
    assert service_of(selling, 6).on_sale
    assert not service_of(selling, 4).on_sale  # the provider still charges 2
    assert service_of(selling, 5).on_sale
    with pytest.raises(CannotUndo):
        undo_together(revision)


def test_a_revision_that_a_later_change_touched_is_not_undone(shop: Upstream, selling: Provider) -> None:
    shop.list(4, rate="2")
    sync_catalog(selling, apply=True)
    revision = accept_changes(selling).revision
    shop.list(4, rate="1.5")
    sync_catalog(selling, apply=True)
    with pytest.raises(CannotUndo, match="changed again"):
        undo_together(revision)
    assert offer_of(selling, 4).rate == Decimal("1.5")


def test_undoing_a_revision_takes_back_what_was_put_on_sale_of_its_new_services(
    shop: Upstream, selling: Provider
) -> None:
    shop.list(1, rate="1.05")
    shop.list(91)
    shop.list(92)
    sync_catalog(selling, apply=True)
    revision = CatalogChange.objects.filter(provider=selling, kind="price").latest("pk").revision
    assert revision
    publish(selling, ["91"])
    assert undo_together(revision) == {selling.name: 2}
    service = service_of(selling, 91)
    assert (service.published, offer_of(selling, 91).gone_at) == (False, None)
    assert offer_of(selling, 1).rate == Decimal("1.00")
    states = CatalogChange.objects.filter(revision=revision).values_list("external_id", "state")
    assert dict(states) == {"1": "undone", "91": "undone", "92": "applied"}
    publish(selling, ["91"])  # an admin may put it on sale again
    assert service_of(selling, 91).on_sale


@pytest.mark.parametrize("known_before", [False, True])
def test_undoing_new_services_of_two_providers_leaves_nothing_on_sale_that_only_they_deliver(
    shop: Upstream, selling: Provider, known_before: bool
) -> None:
    atlas = connected(shop, name="Atlas")
    sync_catalog(atlas, apply=True)
    shop.list(91)
    for provider in (selling, atlas):
        sync_catalog(provider, apply=False)
    both = CatalogChange.objects.filter(external_id="91", state="staged")
    revision = decide_together(list(both.values_list("pk", flat=True))).revision
    publish(selling, ["91"])
    service = service_of(selling, 91)
    add_route(service, offer_of(atlas, 91))
    if known_before:
        add_route(service, offer_of(atlas, 1))
    if known_before:
        with pytest.raises(CannotUndo):  # there is another way: nothing has to be taken back
            undo_together(revision)
    else:
        assert undo_together(revision) == {selling.name: 1, "Atlas": 1}
        with pytest.raises(CannotUndo):
            undo_together(revision)
    service.refresh_from_db()
    assert service.published == known_before
    state = "applied" if known_before else "undone"
    assert set(CatalogChange.objects.filter(revision=revision).values_list("state", flat=True)) == {state}


# ── what was refused or undone is not sold at a cost that the provider does not charge ─────────────────


def test_a_refused_rise_inside_the_limit_takes_the_service_off_sale_until_the_price_is_another(
    shop: Upstream, selling: Provider
) -> None:
    shop.list(4, rate="1.09", name="Renamed")
    sync_catalog(selling, apply=False)
    assert service_of(selling, 4).on_sale
    price, details = CatalogChange.objects.filter(state="staged").order_by("-kind")
    assert (price.kind, price.beyond_limits) == ("price", False)
    refuse_changes(selling, change_ids=[price.pk])
    service = service_of(selling, 4)
    assert (service.on_sale, "rise was refused" in service.off_sale) == (False, True)
    accept_changes(selling, change_ids=[details.pk])
    assert not service_of(selling, 4).on_sale, "a yes to its name is none to its price"
    for _reading in range(2):
        sync_catalog(selling, apply=True)
        assert (service_of(selling, 4).on_sale, offer_of(selling, 4).rate) == (False, 1)
    shop.list(4, rate="1.05")
    sync_catalog(selling, apply=True)
    assert (service_of(selling, 4).on_sale, offer_of(selling, 4).rate) == (True, Decimal("1.05"))


def test_a_refused_fall_leaves_the_service_on_sale(shop: Upstream, selling: Provider) -> None:
    shop.list(4, rate="0.90")
    sync_catalog(selling, apply=False)
    refuse_changes(selling)
    assert service_of(selling, 4).on_sale
    sync_catalog(selling, apply=True)
    assert service_of(selling, 4).on_sale


@pytest.mark.parametrize(
    "values",
    [{"rate": "2"}, {"type": "Package"}, {"min": "900", "max": "20"}],
    ids=["price", "type", "limits"],
)
def test_what_is_refused_beyond_the_limits_is_off_sale_at_once(
    shop: Upstream, selling: Provider, values: dict[str, str]
) -> None:
    shop.list(4, **values)
    sync_catalog(selling, apply=False)
    assert service_of(selling, 4).on_sale
    refuse_changes(selling)
    assert not service_of(selling, 4).on_sale


def test_an_undone_rise_inside_the_limit_is_off_sale_whatever_else_is_accepted(
    shop: Upstream, selling: Provider
) -> None:
    shop.list(4, rate="1.09")
    sync_catalog(selling, apply=False)
    undo_together(accept_changes(selling).revision)
    assert not service_of(selling, 4).on_sale
    shop.list(4, name="Renamed")
    sync_catalog(selling, apply=False)
    name = CatalogChange.objects.filter(state="staged", kind="details")
    accept_changes(selling, change_ids=list(name.values_list("pk", flat=True)))
    assert not service_of(selling, 4).on_sale
    accept_changes(selling)
    assert (service_of(selling, 4).on_sale, offer_of(selling, 4).rate) == (True, Decimal("1.09"))


def test_an_undone_rise_inside_the_limit_waits_for_a_person_however_often_the_list_is_read(
    shop: Upstream, selling: Provider
) -> None:
    shop.list(4, rate="1.09")
    revision = sync_and_revision(selling)
    undo_together(revision)
    for _ in range(2):
        sync_catalog(selling, apply=True)
        assert (service_of(selling, 4).on_sale, offer_of(selling, 4).rate) == (False, Decimal("1.00"))
    accept_changes(selling)
    assert (service_of(selling, 4).on_sale, offer_of(selling, 4).rate) == (True, Decimal("1.09"))


def test_an_undone_rise_is_not_forgotten_over_a_larger_one(shop: Upstream, selling: Provider) -> None:
    shop.list(4, rate="1.09")
    undo_together(sync_and_revision(selling))
    for rate in ("1.50", "1.09"):
        shop.list(4, rate=rate)
        sync_catalog(selling, apply=True)
        assert (service_of(selling, 4).on_sale, offer_of(selling, 4).rate) == (False, Decimal("1.00"))


def test_an_undone_rise_ends_when_the_provider_takes_it_back(shop: Upstream, selling: Provider) -> None:
    shop.list(4, rate="1.09")
    undo_together(sync_and_revision(selling))
    shop.list(4, rate="1.00")
    sync_catalog(selling, apply=True)
    assert (service_of(selling, 4).on_sale, offer_of(selling, 4).rate) == (True, Decimal("1.00"))


def sync_and_revision(selling: Provider) -> uuid.UUID:
    """The revision of what a reading applied by itself."""
    sync_catalog(selling, apply=True)
    revision = CatalogChange.objects.filter(state="applied").exclude(kind="new").latest("pk").revision
    assert revision is not None
    return revision


@pytest.mark.parametrize("values", [{"type": "Package"}, {"min": "900", "max": "20"}], ids=["type", "limits"])
def test_an_undone_type_or_limits_beyond_what_we_can_sell_leaves_the_service_on_hold(
    shop: Upstream, selling: Provider, values: dict[str, str]
) -> None:
    shop.list(4, **values)
    sync_catalog(selling, apply=True)
    undo_together(accept_changes(selling).revision)
    offer, service = offer_of(selling, 4), service_of(selling, 4)
    assert (offer.service_type, offer.minimum, offer.maximum) == ("default", 10, 10000)
    assert (service.service_type, service.on_sale, "was undone" in service.off_sale) == (
        "default",
        False,
        True,
    )
    sync_catalog(selling, apply=False)
    assert not service_of(selling, 4).on_sale
    shop.list(4, type="Default", min="10", max="10000")
    sync_catalog(selling, apply=True)
    assert service_of(selling, 4).on_sale


def test_undone_limits_inside_ours_leave_it_on_sale(shop: Upstream, selling: Provider) -> None:
    shop.list(4, max="500")
    sync_catalog(selling, apply=False)
    undo_together(accept_changes(selling).revision)
    assert service_of(selling, 4).on_sale
