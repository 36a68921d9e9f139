"""The service editor from the command line: what the page sets, checked, priced and audited by the same acts."""

from decimal import Decimal

import pytest

from customers.models import AuditEntry
from providers.models import Category, Provider, Service
from providers.publishing import publish
from tests import world
from tests.providers.command_line import audited, refused, run, text
from tests.providers.shop import Upstream, connected, everything_at, service_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def meridian(shop: Upstream) -> Provider:
    """Two services at a cost of 1.00, sold for 1.50."""
    shop.list_many(2)
    provider = connected(shop)
    run("sync_catalog", "--apply")
    everything_at(50)
    publish(provider)
    return provider


@pytest.fixture
def first(meridian: Provider) -> Service:
    return service_of(meridian, 1)


def test_words_place_and_limits_are_an_admins_own_and_survive_the_next_list(
    shop: Upstream, meridian: Provider, first: Service
) -> None:
    adam = world.admin()
    (told,) = run(
        "service_change", str(first.pk), "--name", "Our placement", "--description", "Two lines\nof text",
        "--category", "Own shelf", "--position", "-3", "--refill-days", "14", "--delivery-note", "By hand, in a day",
        "--minimum", "50", "--maximum", "5000", "--cancel-rule", "rules", "--by", adam.email,
    )  # fmt: skip
    assert (told["name"], told["category"], told["position"]) == ("Our placement", "Own shelf", -3)
    shop.list(1, name="Renamed upstream", min="20")
    run("sync_catalog", "--apply")
    first = Service.objects.get(pk=first.pk)
    assert (first.name, first.own_name, first.category.name) == ("Our placement", True, "Own shelf")
    assert first.description.splitlines() == ["Two lines", "of text"]
    assert (first.minimum, first.maximum, first.refill_days) == (50, 5000, 14)
    assert (first.delivery_note, first.cancel_rule, first.auto_refill) == (
        "By hand, in a day",
        "rules",
        False,
    )
    ((who, summary),) = audited("service.change")
    assert (who, "refill days" in summary) == (adam.email, True)


def test_the_providers_words_and_limits_come_back(first: Service) -> None:
    number = str(first.pk)
    run("service_change", number, "--name", "Our placement", "--minimum", "50")
    run("service_change", number, "--name", "-", "--minimum", "none")
    first.refresh_from_db()
    assert (first.name, first.own_name, first.minimum) == ("Placement 1", False, 10)


def test_a_pinned_price_holds_until_the_rules_price_it_again(first: Service) -> None:
    number = str(first.pk)
    (told,) = run("service_change", number, "--price", "3.25")
    assert (told["rate"], told["margin"], told["changed"]) == ("3.25000000", "69.2", ["pinned_rate"])
    (told,) = run("service_change", number, "--price", "rules")
    assert (told["rate"], told["pinned_rate"]) == ("1.50000000", None)


def test_below_cost_it_is_sold_only_with_a_reason(first: Service) -> None:
    number = str(first.pk)
    (told,) = run("service_change", number, "--price", "0.80")
    assert (told["on_sale"], "below the cost" in told["off_sale"]) == (False, True)
    (told,) = run("service_change", number, "--below-cost-reason", "Opening week")
    assert (told["on_sale"], told["rate"], told["below_cost_reason"]) == (True, "0.80000000", "Opening week")
    assert [row["id"] for row in run("service_show", "--state", "below")] == [first.pk]
    (told,) = run("service_change", number, "--below-cost-reason", "none")
    assert told["on_sale"] is False
    entries = AuditEntry.objects.filter(verb="service.change").order_by("id")
    assert entries[1].details["after"] == {"below_cost_reason": "Opening week"}


def test_a_pinned_price_keeps_its_reason_until_there_is_another_price(first: Service) -> None:
    number = str(first.pk)
    (told,) = run("service_change", number, "--price", "3.25", "--price-reason", " Contract  of May ")
    assert (told["pinned_reason"], told["changed"]) == ("Contract of May", ["pinned_rate", "pinned_reason"])
    (_who, summary) = audited("service.change")[-1]
    assert summary == f"Service {first.pk} changed: pinned rate, pinned reason. Why: Contract of May"
    (told,) = run("service_change", number, "--price", "3.50")
    assert (told["rate"], told["pinned_reason"]) == ("3.50000000", "")
    run("service_undo", number)
    first.refresh_from_db()
    assert (first.rate, first.pinned_reason) == (Decimal("3.25"), "Contract of May"), "both come back"
    (told,) = run("service_change", number, "--price", "rules")
    assert (told["rate"], told["pinned_reason"]) == ("1.50000000", "")
    entry = AuditEntry.objects.filter(verb="service.change").latest("pk")
    assert entry.details["before"] == {"pinned_rate": "3.25", "pinned_reason": "Contract of May"}
    assert "Pin a price to give a reason" in refused("service_change", number, "--price-reason", "Why not")


def test_a_dry_run_tells_the_price_and_writes_nothing(first: Service) -> None:
    number, entries = str(first.pk), AuditEntry.objects.count()
    sums, row = run("service_change", number, "--price", "0.50", "--category", "Fresh shelf", "--dry-run")
    assert (sums["below_cost"], Decimal(row["price_now"]), Decimal(row["new_price"])) == (
        1,
        Decimal("1.5"),
        Decimal("0.5"),
    )
    first.refresh_from_db()
    assert (first.rate, first.pinned_rate, AuditEntry.objects.count()) == (Decimal("1.5"), None, entries)
    assert not Category.objects.filter(name="Fresh shelf").exists()


def test_the_latest_change_is_taken_back_in_somebodys_name(first: Service) -> None:
    adam, number = world.admin(), str(first.pk)
    assert "no change of this service" in refused("service_undo", number)
    run("service_change", number, "--price", "3", "--refill-days", "7")
    assert run("service_undo", number, "--dry-run")[1]["new_price"] == "1.50000000"
    (told,) = run("service_undo", number, "--by", adam.email)
    assert (Decimal(told["rate"]), told["refill_days"]) == (Decimal("1.5"), 30)
    assert [who for who, _summary in audited("service.change")] == ["command line", adam.email]
    run("service_undo", number)  # an undo is a change, too
    first.refresh_from_db()
    assert (first.rate, first.refill_days) == (Decimal(3), 7)


def test_what_is_the_same_already_changes_nothing(first: Service) -> None:
    (told,) = run("service_change", str(first.pk), "--refill-days", "30")
    assert (told["changed"], audited("service.change")) == ([], [])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "Say what to change"),
        (["--name", " "], "name: "),
        (["--name", "x" * 301], "name: "),
        (["--refill-days", "4000"], "refill_days: "),
        (["--position", "first"], "position: "),
        (["--minimum", "5"], "The provider takes 10 to 10,000."),
        (["--minimum", "600", "--maximum", "500"], "The maximum is less than the minimum."),
        (["--price", "0"], "more than zero"),
        (["--price", "0.123456789"], "pinned_rate: "),
        (["--category", "Fresh shelf", "--price", "0"], "more than zero"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    first: Service, words: list[str], sentence: str
) -> None:
    before = Service.objects.filter(pk=first.pk).values().get(), Category.objects.count()
    entries = AuditEntry.objects.count()
    assert sentence in refused("service_change", str(first.pk), *words)
    assert (Service.objects.filter(pk=first.pk).values().get(), Category.objects.count()) == before
    assert AuditEntry.objects.count() == entries


def test_services_go_off_the_list_and_back(meridian: Provider, first: Service) -> None:
    both = f"{first.pk},{service_of(meridian, 2).pk}"
    adam = world.admin()
    assert run("service_sale", "unpublish", both, "--by", adam.email) == [{"unpublished": 2}]
    assert not Service.objects.filter(published=True).exists()
    assert len(run("service_show", "--state", "unpublished")) == 2
    assert run("service_sale", "publish", str(first.pk))[0]["services"] == [first.pk]
    assert list(Service.objects.filter(published=True)) == [first]
    assert audited("services.unpublish") == [(adam.email, "2 services unpublished")]
    assert ("command line", "1 services published") in audited("services.publish")


def test_a_dry_run_of_the_sale_tells_open_orders_price_and_cost(meridian: Provider, first: Service) -> None:
    world.order(world.customer(), first, quantity=2000)
    sums, row = run("service_sale", "unpublish", str(first.pk), "--dry-run")
    assert (sums["services"], sums["open_orders"]) == (1, 1)
    assert (Decimal(row["price"]), Decimal(row["cost"]), Decimal(row["profit_change"])) == (
        Decimal("1.5"), Decimal(1), Decimal("-1"),
    )  # fmt: skip
    first.refresh_from_db()
    assert first.published
    run("service_sale", "unpublish", str(first.pk))
    run("service_change", str(first.pk), "--price", "0.80")
    sums, row = run("service_sale", "publish", str(first.pk), "--dry-run")
    assert (sums["refused"], sums["below_cost"], row["below_cost"]) == (1, 1, True)
    assert "below the cost" in row["refused"] and "BELOW COST" in text(
        "service_sale", "publish", str(first.pk), "--dry-run"
    )


def test_what_has_no_price_is_not_put_on_sale_and_it_says_why(first: Service) -> None:
    run("service_sale", "unpublish", str(first.pk))
    run("service_change", str(first.pk), "--price", "0.50")
    (told,) = run("service_sale", "publish", str(first.pk))
    assert told["published"] == 0
    assert "below the cost" in told["refused"][0]
    assert not Service.objects.get(pk=first.pk).published


def test_a_number_that_is_none_of_ours_is_refused_for_all(first: Service) -> None:
    assert refused("service_sale", "unpublish", f"{first.pk},999999") == "There is no service 999999."
    assert refused("service_change", "999999", "--price", "1") == "There is no service 999999."
    assert refused("service_show", "999999") == "There is no service 999999."
    assert Service.objects.get(pk=first.pk).published


def test_one_is_shown_with_all_that_is_set_and_many_on_a_line_each(
    meridian: Provider, first: Service
) -> None:
    (shown,) = run("service_show", str(first.pk))
    figures = (Decimal(shown["rate"]), Decimal(shown["cost"]), shown["margin"])
    assert figures == (Decimal("1.5"), Decimal(1), "33.3")
    assert (shown["own_minimum"], shown["minimum"], shown["refill_days"]) == (None, 10, 30)
    assert (shown["published"], shown["on_sale"], shown["off_sale"]) == (True, True, "")
    assert "refill_days: 30" in text("service_show", str(first.pk))
    lines = text("service_show", "--provider", "Meridian", "--state", "on").splitlines()
    assert lines[0] == f"{first.pk}. Placement 1: 1.5"
    assert len(lines) == 2
