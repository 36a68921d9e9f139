"""Reading a catalog: staged, applied within the limits, held beyond them, and never fooled by an odd list."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from providers import grading
from providers.catalog import Synced, sync_catalog
from providers.deciding import (
    accept_changes,
)
from providers.lanes import hold
from providers.models import Alert, CatalogChange, Lane, Offer, Provider, Service
from providers.publishing import publish
from providers.repricing import reprice
from tests.providers.shop import Upstream, connected, everything_at, offer_of, service_of

pytestmark = pytest.mark.django_db


def counts(synced: Synced) -> tuple[int, int, int, int, int]:
    return synced.new, synced.changed, synced.missing, synced.unchanged, synced.applied


def later(minutes: float) -> Any:
    return time_machine.travel(timezone.now() + timedelta(minutes=minutes), tick=True)


def test_without_apply_everything_is_only_staged(shop: Upstream) -> None:
    shop.list_many(3)
    provider = connected(shop)
    assert counts(sync_catalog(provider, apply=False)) == (3, 0, 0, 0, 0)
    assert not Offer.objects.exists()
    staged = CatalogChange.objects.filter(provider=provider, state="staged", kind="new")
    assert staged.count() == 3
    assert staged.get(external_id="2").after["rate"] == "1.00000000"


def test_a_first_list_is_applied_as_offers_that_are_not_on_sale(shop: Upstream) -> None:
    shop.list(7, name="Newsletter", category="Mail", rate="2.5", min="5", max="900", type="SEO", refill=False)
    provider = connected(shop)
    assert counts(sync_catalog(provider, apply=True)) == (1, 0, 0, 0, 1)
    offer = offer_of(provider, 7)
    assert (offer.name, offer.category, offer.rate) == ("Newsletter", "Mail", Decimal("2.5"))
    assert (offer.minimum, offer.maximum, offer.service_type) == (5, 900, "seo")
    assert (offer.refill, offer.cancel) == (False, True)
    assert not offer.routes.exists()
    change = CatalogChange.objects.get(provider=provider)
    assert (change.state, change.offer_id) == ("applied", offer.pk)
    provider.refresh_from_db()
    assert provider.last_catalog_at is not None


def test_what_was_staged_is_applied_by_a_later_list_with_the_same_rows(shop: Upstream) -> None:
    shop.list_many(3)
    provider = connected(shop)
    sync_catalog(provider, apply=False)
    assert counts(sync_catalog(provider, apply=True)) == (3, 0, 0, 0, 3)
    assert Offer.objects.filter(provider=provider).count() == 3
    changes = CatalogChange.objects.filter(provider=provider)
    assert [change.state for change in changes] == ["applied"] * 3
    assert all(change.offer_id for change in changes)


def test_an_unchanged_list_writes_no_offer_and_no_change(selling: Provider) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert counts(sync_catalog(selling, apply=True)) == (0, 0, 0, 20, 0)
    written = [
        row["sql"] for row in queries if row["sql"].lstrip().startswith(("INSERT", "UPDATE", "DELETE"))
    ]
    about = [sql for sql in written if any(word in sql for word in ("offer", "catalogchange", "service"))]
    assert about == []


@pytest.mark.parametrize("act", ["first", "unchanged", "prices", "jump", "accept"])
def test_the_number_of_statements_does_not_depend_on_the_length_of_the_list(
    shop: Upstream, settings: Any, act: str
) -> None:
    everything_at(25)

    def statements(count: int) -> int:
        shop.rows.clear()
        shop.list_many(count)
        provider = connected(shop, name=f"Meridian with {count}")
        acts: dict[str, Callable[[], Any]] = {"first": lambda: sync_catalog(provider, apply=True)}
        if act != "first":
            sync_catalog(provider, apply=True)
            publish(provider)
        if act == "prices":
            shop.list_many(count, rate="1.05")
        elif act in ("jump", "accept"):
            shop.list_many(count, rate="3.00")
        if act == "accept":
            sync_catalog(provider, apply=True)
            acts["accept"] = lambda: accept_changes(provider)
        with CaptureQueriesContext(connection) as queries:
            acts.get(act, acts["first"])()
        return len(queries)

    assert statements(50) == statements(500)


def test_a_price_rise_within_the_limit_is_applied_and_reprices_the_service(
    shop: Upstream, selling: Provider
) -> None:
    shop.list(4, rate="1.10")
    assert counts(sync_catalog(selling, apply=True)) == (0, 1, 0, 19, 1)
    service = service_of(selling, 4)
    assert (service.cost_rate, service.rate) == (Decimal("1.10"), Decimal("1.375"))
    assert service.on_sale


def test_a_price_fall_is_applied_at_once_however_deep(shop: Upstream, selling: Provider) -> None:
    shop.list(4, rate="0.01")
    sync_catalog(selling, apply=True)
    assert service_of(selling, 4).rate == Decimal("0.0125")


def test_a_rise_beyond_the_limit_takes_the_service_off_sale_until_it_is_accepted(
    shop: Upstream, selling: Provider
) -> None:
    shop.list(4, rate="1.11")
    assert counts(sync_catalog(selling, apply=True)) == (0, 1, 0, 19, 0)
    service = service_of(selling, 4)
    assert not service.on_sale
    assert "from 1 to 1.11" in service.off_sale
    assert service.rate == Decimal("1.25")
    assert offer_of(selling, 4).rate == Decimal("1")
    assert Alert.objects.filter(key=f"holds:{selling.pk}", closed_at=None).exists()

    assert counts(sync_catalog(selling, apply=True)) == (0, 1, 0, 19, 0)
    assert CatalogChange.objects.filter(provider=selling, state="staged").count() == 1

    assert accept_changes(selling, ["4"]).applied == 1
    service.refresh_from_db()
    assert (service.on_sale, service.cost_rate, service.rate) == (True, Decimal("1.11"), Decimal("1.3875"))
    assert not Alert.objects.filter(key=f"holds:{selling.pk}", closed_at=None).exists()
    assert counts(sync_catalog(selling, apply=True)) == (0, 0, 0, 20, 0)


def test_without_apply_a_rise_leaves_the_service_on_sale(shop: Upstream, selling: Provider) -> None:
    shop.list(4, rate="9")
    sync_catalog(selling, apply=False)
    assert service_of(selling, 4).on_sale


def test_the_limit_is_the_providers_option(shop: Upstream) -> None:
    shop.list_many(1)
    provider = connected(shop, price_rise_limit_percent=100)
    sync_catalog(provider, apply=True)
    shop.list(1, rate="2")
    assert sync_catalog(provider, apply=True).applied == 1
    shop.list(1, rate="4.00000001")
    assert sync_catalog(provider, apply=True).applied == 0


def test_a_price_that_comes_back_ends_the_hold_by_itself(shop: Upstream, selling: Provider) -> None:
    shop.list(4, rate="5")
    sync_catalog(selling, apply=True)
    shop.list(4, rate="1.00")
    sync_catalog(selling, apply=True)
    assert service_of(selling, 4).on_sale
    change = CatalogChange.objects.get(provider=selling, kind="price")
    assert change.state == "superseded"


def test_a_staged_price_that_moves_on_is_overtaken_by_the_newer_one(
    shop: Upstream, selling: Provider
) -> None:
    for rate in ("5", "6"):
        shop.list(4, rate=rate)
        sync_catalog(selling, apply=True)
    states = CatalogChange.objects.filter(provider=selling, kind="price").order_by("id")
    assert [(row.state, row.after["rate"]) for row in states] == [
        ("superseded", "5.00000000"),
        ("staged", "6.00000000"),
    ]


def test_a_price_of_zero_is_never_sold(shop: Upstream, selling: Provider) -> None:
    shop.list(4, rate="0")
    sync_catalog(selling, apply=True)
    service = service_of(selling, 4)
    assert not service.on_sale
    accept_changes(selling)
    service.refresh_from_db()
    assert (service.on_sale, service.off_sale) == (False, "The provider's rate is zero.")


def test_limits_and_names_follow_the_provider_but_not_over_an_admins_own_name(
    shop: Upstream, selling: Provider
) -> None:
    mine = service_of(selling, 5)
    mine.name, mine.own_name = "Our own words", True
    mine.save(update_fields=["name", "own_name"])
    for number in (4, 5):
        shop.list(number, name="Renamed", min="20", max="50", cancel=False)
    assert counts(sync_catalog(selling, apply=True)) == (0, 2, 0, 18, 4)
    theirs = service_of(selling, 4)
    mine.refresh_from_db()
    assert (theirs.name, mine.name) == ("Renamed", "Our own words")
    assert (mine.minimum, mine.maximum, mine.cancel) == (20, 50, False)


def test_an_admins_own_name_and_description_outlast_a_list_that_changes_both(
    shop: Upstream, selling: Provider
) -> None:
    both, name_only, words_only, neither = (service_of(selling, number) for number in (4, 5, 6, 7))
    for service in (both, name_only):
        service.name, service.own_name = "Our own name", True
    for service in (both, words_only):
        service.description, service.own_description = "Our own words", True
    for service in (both, name_only, words_only):
        service.save()
    for number in (4, 5, 6, 7):
        shop.list(number, name="Renamed", description="Described anew")
    assert sync_catalog(selling, apply=True).changed == 4
    ours = [(Service.objects.get(pk=one.pk).name, Service.objects.get(pk=one.pk).description)
            for one in (both, name_only, words_only, neither)]  # fmt: skip
    assert ours == [
        ("Our own name", "Our own words"),
        ("Our own name", "Described anew"),
        ("Renamed", "Our own words"),
        ("Renamed", "Described anew"),
    ]
    assert offer_of(selling, 4).description == "Described anew", "the provider's own words are kept beside it"


def test_limits_that_make_no_sense_take_the_service_off_sale(shop: Upstream, selling: Provider) -> None:
    shop.list(4, min="500", max="100")
    sync_catalog(selling, apply=True)
    service = service_of(selling, 4)
    assert "make no sense" in service.off_sale
    assert (service.minimum, service.maximum) == (10, 10000)


def test_another_type_of_the_same_unit_applies_and_another_unit_waits(
    shop: Upstream, selling: Provider
) -> None:
    shop.list(3, type="Poll")
    shop.list(4, type="Package")
    shop.list(5, type="Something new")
    sync_catalog(selling, apply=True)
    assert service_of(selling, 3).service_type == "poll"
    for number, word in ((4, "Package"), (5, "Something new")):
        service = service_of(selling, number)
        assert service.service_type == "default"
        assert word in service.off_sale


def test_an_unknown_type_is_imported_but_not_sellable_until_it_is_mapped(shop: Upstream) -> None:
    shop.list(1, type="Guided Seats")
    shop.list(2, type=None)
    provider = connected(shop)
    everything_at(10)
    sync_catalog(provider, apply=True)
    assert [offer_of(provider, number).service_type for number in (1, 2)] == ["", ""]
    done = publish(provider)
    assert (len(done.services), len(done.skipped)) == (0, 2)

    Offer.objects.filter(provider=provider, external_id="1").update(service_type="default")
    shop.list(3, type="Guided Seats")
    assert counts(sync_catalog(provider, apply=True)) == (1, 0, 0, 2, 1)
    assert [offer_of(provider, number).service_type for number in (1, 2, 3)] == ["default", "", "default"]
    assert len(publish(provider).services) == 2


def test_an_empty_list_changes_nothing_and_raises_an_alert(shop: Upstream, selling: Provider) -> None:
    rows, shop.rows = shop.rows, {}
    synced = sync_catalog(selling, apply=True)
    assert counts(synced) == (0, 0, 20, 0, 0)
    assert synced.error
    assert not Offer.objects.exclude(missing_since=None).exists()
    assert not CatalogChange.objects.filter(kind="missing").exists()
    assert service_of(selling, 1).on_sale
    assert Alert.objects.filter(key=f"catalog:{selling.pk}", closed_at=None).exists()
    shop.rows = rows
    sync_catalog(selling, apply=True)
    assert not Alert.objects.filter(key=f"catalog:{selling.pk}", closed_at=None).exists()


@pytest.mark.parametrize(
    "body",
    [{"services": []}, {"data": []}, {"result": {}}, {"status": "success", "data": {"services": []}}, {}],
)
def test_an_empty_list_in_its_container_is_one_too(
    shop: Upstream, selling: Provider, body: dict[str, object]
) -> None:
    shop.answers["services"] = Upstream.json(body)
    synced = sync_catalog(selling, apply=True)
    assert (synced.error, synced.failed) == ("The list is empty; nothing was changed.", False)
    assert Alert.objects.filter(key=f"catalog:{selling.pk}", closed_at=None).exists()
    assert service_of(selling, 1).on_sale
    failures = grading.test_connection(selling).failures
    assert failures == ("Services: The list is empty. Nothing can be sold from it.",)


def test_a_list_that_lacks_more_than_a_tenth_applies_nothing_until_an_admin_accepts(
    shop: Upstream, selling: Provider
) -> None:
    shop.drop(1, 2, 3)
    shop.list(4, rate="1.01")
    shop.list(50)
    for _ in range(2):
        synced = sync_catalog(selling, apply=True)
        assert counts(synced) == (1, 1, 3, 16, 0)
        assert "3 of 20" in synced.error
    assert all(service_of(selling, number).on_sale for number in (1, 2, 3, 4))
    assert CatalogChange.objects.filter(state="staged", beyond_limits=True).count() == 5

    assert accept_changes(selling).applied == 5
    assert [service_of(selling, number).on_sale for number in (1, 2, 3, 4)] == [False, False, False, True]
    assert offer_of(selling, 50).gone_at is None
    assert counts(sync_catalog(selling, apply=True)) == (0, 0, 0, 18, 0)


def test_exactly_a_tenth_may_be_missing(shop: Upstream, selling: Provider) -> None:
    shop.drop(1, 2)
    assert sync_catalog(selling, apply=True).error == ""


def test_a_missing_service_goes_off_sale_after_two_lists_ten_minutes_apart(
    shop: Upstream, selling: Provider
) -> None:
    shop.drop(7)
    assert counts(sync_catalog(selling, apply=True)) == (0, 0, 1, 19, 0)
    assert offer_of(selling, 7).missing_since is not None
    with later(minutes=9):
        assert counts(sync_catalog(selling, apply=True)) == (0, 0, 1, 19, 0)
        assert service_of(selling, 7).on_sale
    with later(minutes=11):
        assert counts(sync_catalog(selling, apply=True)) == (0, 0, 1, 19, 1)
        service = service_of(selling, 7)
        assert (service.on_sale, service.off_sale) == (False, "The provider no longer lists it.")
        assert counts(sync_catalog(selling, apply=True)) == (0, 0, 0, 19, 0)


def test_an_accepted_missing_service_goes_off_sale_at_once(shop: Upstream, selling: Provider) -> None:
    shop.drop(7)
    sync_catalog(selling, apply=False)
    accept_changes(selling, ["7"])
    assert not service_of(selling, 7).on_sale


def test_a_service_missing_once_and_back_is_forgotten(shop: Upstream, selling: Provider) -> None:
    row = shop.rows["7"]
    shop.drop(7)
    sync_catalog(selling, apply=True)
    shop.rows["7"] = row
    assert counts(sync_catalog(selling, apply=True)) == (0, 0, 0, 20, 0)
    assert offer_of(selling, 7).missing_since is None
    assert CatalogChange.objects.get(kind="missing").state == "superseded"
    shop.drop(7)
    with later(minutes=30):
        assert sync_catalog(selling, apply=True).applied == 0


def test_a_gone_service_that_is_listed_again_is_sold_again(shop: Upstream, selling: Provider) -> None:
    row = shop.rows["7"]
    shop.drop(7)
    sync_catalog(selling, apply=True)
    accept_changes(selling)
    shop.rows["7"] = row
    assert counts(sync_catalog(selling, apply=True)) == (0, 1, 0, 19, 1)
    assert service_of(selling, 7).on_sale
    assert offer_of(selling, 7).gone_at is None


def test_a_repeated_id_is_ignored_with_a_sentence(shop: Upstream) -> None:
    shop.list(1, rate="1.00")
    shop.more_rows = [{**shop.rows["1"], "rate": "0.10"}]
    provider = connected(shop)
    synced = sync_catalog(provider, apply=True)
    assert (synced.new, synced.ignored) == (1, 1)
    assert "more than once" in synced.problems[0]
    assert offer_of(provider, 1).rate == Decimal("1.00")


def test_a_failing_provider_is_told_in_one_sentence_and_kept_on_its_row(
    shop: Upstream, selling: Provider
) -> None:
    shop.answers["services"] = Upstream.json({"error": "Invalid API key"})
    synced = sync_catalog(selling, apply=True)
    assert synced.failed
    assert "Invalid API key" in synced.error
    selling.refresh_from_db()
    assert selling.last_error.startswith("Catalog: ")
    del shop.answers["services"]
    sync_catalog(selling, apply=True)
    selling.refresh_from_db()
    assert selling.last_error == ""


def test_a_catalog_that_is_being_read_is_not_read_twice(shop: Upstream, selling: Provider) -> None:
    asked = len(shop.actions)
    with hold(selling.pk, Lane.Kind.CATALOG, seconds=60):
        synced = sync_catalog(selling, apply=True, wait_s=0)
    assert synced.failed
    assert len(shop.actions) == asked


def test_an_absurd_row_is_dropped_and_the_rest_is_kept(shop: Upstream) -> None:
    shop.list(1)
    shop.list(2, rate="99999999999999")
    shop.list("x" * 80)
    shop.list(3, name="N" * 1000, category="C" * 1000, description="D" * 10_000)
    provider = connected(shop)
    synced = sync_catalog(provider, apply=True)
    assert (synced.new, synced.ignored) == (2, 2)
    assert reprice() == 0


def test_a_list_that_does_not_tell_drip_feed_leaves_it_to_the_type(shop: Upstream) -> None:
    """The documented answer has no such field, and Default may be ordered in runs."""
    shop.list(1)
    shop.list(2, type="Poll")
    shop.list(3, dripfeed=False)
    provider = connected(shop)
    sync_catalog(provider, apply=True)
    assert [offer_of(provider, number).dripfeed for number in (1, 2, 3)] == [True, False, False]


def test_names_are_stored_without_control_and_bidi_characters(shop: Upstream) -> None:
    shop.list(
        1,
        name="Safe\u202e\u0007 text\u0000",
        category="A\u2066b",
        desc="<b>One</b><br>two\u200f",
        type="De\u202dfault",
    )
    provider = connected(shop)
    sync_catalog(provider, apply=True)
    offer = offer_of(provider, 1)
    assert (offer.name, offer.category, offer.description) == ("Safe text", "Ab", "One\ntwo")
    assert (offer.type_raw, offer.service_type) == ("Default", "default")
