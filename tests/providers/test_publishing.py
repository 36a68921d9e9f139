"""Putting offers on sale, with a sentence for each that cannot be."""

import json
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from customers.models import AuditEntry
from providers.catalog import sync_catalog
from providers.models import Category, MarkupRule, Offer, Provider, Service
from providers.publishing import NoSuchOffer, Published, effect_of_publishing, publish, unpublish
from providers.repricing import reprice
from providers.routes import add_route
from providers.rule_undoing import CannotUndoRule, effect_of_undoing, last_change, undo_change
from tests import world
from tests.providers.shop import Upstream, connected, everything_at, offer_of, service_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def listed(shop: Upstream) -> Provider:
    shop.list_many(5)
    provider = connected(shop)
    sync_catalog(provider, apply=True)
    return provider


def test_a_published_offer_becomes_a_service_with_category_route_and_price(listed: Provider) -> None:
    everything_at("12.5")
    done = publish(listed, ["2"])
    service = service_of(listed, 2)
    assert done.services == (service.pk,)
    assert done.skipped == ()
    assert (service.name, service.category.name) == ("Placement 2", "Placements")
    assert (service.rate, service.cost_rate, service.on_sale) == (Decimal("1.125"), Decimal(1), True)
    assert (service.minimum, service.maximum, service.refill, service.cancel) == (10, 10000, True, True)
    assert Service.objects.count() == 1
    assert AuditEntry.objects.filter(verb="services.publish").count() == 1


def test_a_markup_writes_a_rule_for_each_service_and_replaces_the_earlier_one(listed: Provider) -> None:
    publish(listed, markup=Decimal(30))
    assert service_of(listed, 1).rate == Decimal("1.3")
    rule = MarkupRule.objects.get(service=service_of(listed, 1))
    rule.fixed, rule.rounding = Decimal(5), "up"
    rule.save()
    assert len(publish(listed, ["1"], markup=Decimal(0)).services) == 1
    assert MarkupRule.objects.filter(scope="service").count() == 5
    assert service_of(listed, 1).rate == Decimal(1)


def test_a_markup_finer_than_rules_keep_is_taken_back_too(listed: Provider) -> None:
    publish(listed, ["1"], markup=Decimal("33.333333"))
    assert MarkupRule.objects.get().percent == Decimal("33.3333")
    assert effect_of_publishing(listed, ["1"], markup=Decimal("33.333333")).rules_replaced == 0
    change = last_change(None)
    assert change is not None
    undo_change(change)
    assert not MarkupRule.objects.exists()


def test_rules_that_a_markup_replaces_are_one_revision_that_is_taken_back(listed: Provider) -> None:
    publish(listed, ["1", "2"], markup=Decimal(30))
    first = last_change(None)
    assert first is not None and first.summary == "Markup of 2 services of Meridian: 30%"
    own = MarkupRule.objects.get(service=service_of(listed, 1))
    own.percent, own.fixed, own.note, own.rounding = Decimal(50), Decimal("0.2"), "Agreed in May", "up"
    own.save()
    reprice()
    assert publish(listed, markup=Decimal(25)) == Published(
        services=tuple(Service.objects.order_by("pk").values_list("pk", flat=True)),
        skipped=(), rules_added=3, rules_replaced=2,
    )  # fmt: skip
    kept = MarkupRule.objects.get(service=service_of(listed, 1))
    assert (kept.percent, kept.fixed, kept.note, kept.rounding) == (25, 0, "Agreed in May", "none")
    change = last_change(None)
    assert change is not None and change.pk != first.pk
    assert change.summary == "Markup of 5 services of Meridian: 25%, 2 rules replaced"
    effect = effect_of_undoing(change)
    assert (effect.touched, effect.changed) == (5, 2)
    assert undo_change(change) == 5
    back = MarkupRule.objects.get(service=service_of(listed, 1))
    assert (back.percent, back.fixed, back.note, back.rounding) == (50, Decimal("0.2"), "Agreed in May", "up")
    assert service_of(listed, 1).rate == Decimal("1.70")
    assert service_of(listed, 2).rate == Decimal("1.30")
    assert service_of(listed, 3).off_sale == "No markup rule applies to it."
    again = last_change(None)
    assert again is not None and again.summary.startswith("Taken back: Markup of 5 services")
    undo_change(again)
    assert {service.rate for service in Service.objects.all()} == {Decimal("1.25")}
    assert not Service.objects.exclude(off_sale="").exists()


def test_a_revision_whose_rules_were_changed_since_is_not_taken_back(listed: Provider) -> None:
    publish(listed, markup=Decimal(30))
    change = last_change(None)
    assert change is not None
    MarkupRule.objects.filter(service=service_of(listed, 2)).update(percent=44)
    assert last_change(None) is None
    with pytest.raises(CannotUndoRule):
        undo_change(change)
    assert service_of(listed, 1).rate == Decimal("1.30")


def test_the_same_markup_again_changes_no_rule_and_leaves_no_revision(listed: Provider) -> None:
    publish(listed, markup=Decimal(30))
    before = AuditEntry.objects.filter(verb="markup.revise").count()
    done = publish(listed, markup=Decimal("30.00"))
    assert (done.rules_added, done.rules_replaced) == (0, 0)
    assert AuditEntry.objects.filter(verb="markup.revise").count() == before == 1


def test_two_offers_that_deliver_one_service_write_its_rule_once(listed: Provider) -> None:
    publish(listed, ["1"], markup=Decimal(30))
    add_route(service_of(listed, 1), offer_of(listed, 2))
    assert publish(listed, ["1", "2"], markup=Decimal(40)).rules_replaced == 1
    assert service_of(listed, 1).rate == Decimal("1.40")


def test_the_effect_is_told_before_and_nothing_is_written(listed: Provider) -> None:
    publish(listed, ["1", "2"], markup=Decimal(50))
    service = service_of(listed, 1)
    world.order(world.customer(), service, quantity=2000)
    effect = effect_of_publishing(listed, markup=Decimal(25))
    assert (effect.new, effect.rules_added, effect.rules_replaced, effect.asks) == (3, 3, 2, True)
    simulation = effect.simulation
    assert (simulation.touched, simulation.changed, simulation.below_cost) == (2, 2, 0)
    assert (simulation.average_margin_before, simulation.average_margin_after) == (
        Decimal("33.3"), Decimal("20.0"),
    )  # fmt: skip
    assert simulation.profit_change == Decimal("-0.50"), "2,000 at 1.25 instead of 1.50"
    assert "2 services on sale are touched, 2 get another price" in simulation.sentence
    assert Service.objects.count() == 2
    assert not effect_of_publishing(listed, ["3"], markup=Decimal(25)).asks
    assert not effect_of_publishing(listed, ["1"], markup=Decimal(50)).asks


def test_the_command_foretells_replaces_and_says_how_to_take_it_back(listed: Provider) -> None:
    def run(*words: str) -> str:
        output = StringIO()
        call_command("publish_services", "Meridian", *words, stdout=output)
        return output.getvalue()

    publish(listed, ["1"], markup=Decimal(50))
    told = run("--markup", "25", "--dry-run")
    assert (
        "4 services would be new; 4 rules of services would be added, 1 replaced. Nothing was done." in told
    )
    assert "1 service on sale is touched, 1 gets another price" in told
    assert Service.objects.count() == 1
    (answer,) = (json.loads(line) for line in run("--markup", "25", "--dry-run", "--json").splitlines())
    assert (answer["rules_replaced"], answer["margin_before"], answer["margin_after"]) == (1, "33.3", "20.0")
    done = run("--markup", "25")
    assert "5 services of Meridian on sale." in done
    assert "4 added, 1 replaced, as one change; `markup undo` takes it back" in done
    assert service_of(listed, 1).rate == Decimal("1.25")


def test_without_any_rule_nothing_is_published_and_each_says_why(listed: Provider) -> None:
    done = publish(listed)
    assert done.services == ()
    assert len(done.skipped) == 5
    assert all("no markup rule" in sentence for sentence in done.skipped)
    assert not Service.objects.exists()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"rate": "0"}, "its rate is zero"),
        ({"min": "50", "max": "10"}, "make no sense"),
        ({"type": "Guided Seats"}, "'Guided Seats' is not known"),
        ({"type": "Subscriptions"}, "cannot be sold"),
    ],
)
def test_what_cannot_be_sold_is_skipped_with_a_sentence(
    shop: Upstream, values: dict[str, str], says: str
) -> None:
    shop.list(1, **values)
    shop.list(2)
    provider = connected(shop)
    sync_catalog(provider, apply=True)
    done = publish(provider, markup=Decimal(25))
    assert len(done.services) == 1
    (sentence,) = done.skipped
    assert says in sentence
    assert Service.objects.count() == 1


def test_a_package_whatever_its_limits_say_is_one_order(shop: Upstream) -> None:
    shop.list(1, type="Package", rate="45", min="0", max="0")
    provider = connected(shop)
    sync_catalog(provider, apply=True)
    publish(provider, markup=Decimal(10))
    assert service_of(provider, 1).rate == Decimal("49.5")


def test_without_an_exchange_rate_a_foreign_providers_offers_are_not_published(shop: Upstream) -> None:
    shop.list_many(2)
    provider = connected(shop, currency="EUR")
    sync_catalog(provider, apply=True)
    done = publish(provider, markup=Decimal(25))
    assert done.services == ()
    assert "no exchange rate for EUR" in done.skipped[0]


def test_held_and_gone_offers_are_not_published(shop: Upstream, listed: Provider) -> None:
    everything_at(10)
    Offer.objects.filter(external_id="1").update(on_hold="The price rose.")
    Offer.objects.filter(external_id="2").update(
        gone_at="2026-01-01T00:00Z", missing_since="2026-01-01T00:00Z"
    )
    done = publish(listed, ["1", "2", "3"])
    assert len(done.services) == 1
    assert any("The price rose." in sentence for sentence in done.skipped)
    assert any("no longer lists" in sentence for sentence in done.skipped)


def test_an_unpublished_service_is_published_again_as_the_same_number(listed: Provider) -> None:
    everything_at(10)
    (number,) = publish(listed, ["3"]).services
    assert unpublish([number]) == 1
    assert not service_of(listed, 3).on_sale
    assert publish(listed, ["3"]).services == (number,)
    assert service_of(listed, 3).on_sale


def test_an_id_that_the_provider_does_not_list_publishes_nothing(listed: Provider) -> None:
    everything_at(10)
    with pytest.raises(NoSuchOffer, match="77"):
        publish(listed, ["1", "77"])
    assert not Service.objects.exists()


def test_an_absurd_markup_is_refused(listed: Provider) -> None:
    for markup in ("-101", "10001"):
        with pytest.raises(ValueError, match="percentage"):
            publish(listed, markup=Decimal(markup))


def test_a_negative_markup_never_sells_below_cost(listed: Provider) -> None:
    publish(listed, markup=Decimal(-50))
    assert service_of(listed, 1).rate == Decimal(1)


def test_an_offer_without_a_category_is_sold_under_other(shop: Upstream) -> None:
    shop.list(1, category=None)
    provider = connected(shop)
    sync_catalog(provider, apply=True)
    publish(provider, markup=Decimal(5))
    assert service_of(provider, 1).category == Category.objects.get(name="Other")


def test_the_number_of_statements_does_not_depend_on_how_many_are_published(shop: Upstream) -> None:
    def statements(count: int) -> list[int]:
        shop.rows.clear()
        shop.list_many(count)
        provider = connected(shop, name=f"Meridian with {count}")
        sync_catalog(provider, apply=True)
        found = []
        for _ in range(2):
            with CaptureQueriesContext(connection) as queries:
                assert len(publish(provider, markup=Decimal(25)).services) == count
            found.append(len(queries))
        for act in (
            lambda: effect_of_publishing(provider, markup=Decimal(40)),
            lambda: publish(provider, markup=Decimal(40)),
        ):
            with CaptureQueriesContext(connection) as queries:
                assert act().rules_replaced == count
            found.append(len(queries))
        return found

    assert statements(50) == statements(500)


def test_what_is_published_can_be_ordered(listed: Provider) -> None:
    publish(listed, markup=Decimal(25))
    order = world.order(world.customer(), service_of(listed, 1), quantity=1000)
    assert (order.charge, order.cost) == (Decimal("1.25"), Decimal(1))
    assert order.submission.offer_id == offer_of(listed, 1).pk
    world.sane()
