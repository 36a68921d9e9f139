"""Markup rules from the command line: the same rules, simulation, audit and undo as on the page."""

from decimal import Decimal

import pytest

from customers.models import AuditEntry, PriceGroup
from providers.models import MarkupRule, Provider, Service
from providers.publishing import publish
from tests import world
from tests.providers.command_line import audited, refused, run, text
from tests.providers.shop import Upstream, connected, everything_at, service_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def meridian(shop: Upstream) -> Provider:
    """Three services at a cost of 1.00, sold for 1.50."""
    shop.list_many(3)
    provider = connected(shop)
    run("sync_catalog", "--apply")
    everything_at(50)
    publish(provider)
    return provider


def prices() -> set[Decimal]:
    return set(Service.objects.values_list("rate", flat=True))


def test_a_rule_is_added_and_prices_follow_in_the_name_of_whoever_did_it(meridian: Provider) -> None:
    adam = world.admin()
    (added,) = run("markup", "add", "--provider", "Meridian", "--percent", "80", "--by", adam.email)
    rule = MarkupRule.objects.get(scope="provider")
    assert (added["id"], added["words"], added["repriced"]) == (rule.pk, "80%", 3)
    assert (added["target"], added["price_list"]) == (meridian.pk, None)
    assert prices() == {Decimal("1.80")}
    assert rule.changed_by == adam
    assert audited("markup.add") == [(adam.email, "Markup rule added: Meridian: 80%")]


def test_without_a_name_it_was_the_command_line(meridian: Provider) -> None:
    run("markup", "add", "--service", str(service_of(meridian, 1).pk), "--percent", "0")
    assert service_of(meridian, 1).rate == Decimal(1)
    assert audited("markup.add")[0][0] == "command line"


def test_a_change_touches_only_what_was_named(meridian: Provider) -> None:
    rule = MarkupRule.objects.get()
    run("markup", "change", str(rule.pk), "--rounding", "ending", "--ending", "0.99", "--note", "Shop prices")
    rule.refresh_from_db()
    assert (rule.percent, rule.scope, rule.enabled, rule.note) == (50, "everything", True, "Shop prices")
    assert prices() == {Decimal("1.99")}
    run("markup", "change", str(rule.pk), "--enabled", "no")
    assert not Service.objects.filter(off_sale="").exists()
    assert len(audited("markup.change")) == 2


def test_the_list_says_how_many_services_each_rule_prices_in_the_order_in_which_they_match(
    meridian: Provider,
) -> None:
    run("markup", "add", "--category", "Placements", "--fixed", "0.25")
    first, second = run("markup")
    assert (first["scope"], first["services"], first["fixed"]) == ("category", 3, "0.25")
    assert (second["scope"], second["services"]) == ("everything", 0)
    assert "Placements: plus 0.25: prices 3 services\n" in text("markup", "list")


@pytest.mark.parametrize("act", ["add", "change", "delete"])
def test_a_dry_run_tells_each_price_and_writes_nothing(meridian: Provider, act: str) -> None:
    rule = MarkupRule.objects.get()
    words = {
        "add": ["add", "--provider", "Meridian", "--percent", "100"],
        "change": ["change", str(rule.pk), "--percent", "100"],
        "delete": ["delete", str(rule.pk)],
    }[act]
    before = AuditEntry.objects.count()
    sums, *rows = run("markup", *words, "--dry-run")
    assert sums["touched"] == len(rows) == 3
    assert "3 services" in sums["sentence"]
    if act != "delete":
        assert {(row["cost"], row["price_now"], row["new_price"]) for row in rows} == {
            ("1.00000000", "1.50000000", "2.00000000")
        }
        assert {row["change_percent"] for row in rows} == {"33.3"}
        assert (sums["average_margin_before"], sums["average_margin_after"]) == ("33.3", "50.0")
    assert prices() == {Decimal("1.50")}
    assert (MarkupRule.objects.get().percent, AuditEntry.objects.count()) == (50, before)


def test_the_dry_run_is_a_table_for_people(meridian: Provider) -> None:
    shown = text("markup", "add", "--provider", "Meridian", "--percent", "100", "--dry-run")
    row = next(line for line in shown.splitlines() if "Placement 1" in line)
    assert row.split()[1:8] == ["$1.00", "$1.50", "$2.00", "+33.3%", "33.3%", "→", "50.0%"]


def test_the_latest_change_is_undone_and_the_undoing_as_well(meridian: Provider) -> None:
    run("markup", "change", str(MarkupRule.objects.get().pk), "--percent", "100")
    assert prices() == {Decimal(2)}
    sums = run("markup", "undo", "--dry-run")[0]
    assert (sums["changed"], prices()) == (3, {Decimal(2)})
    assert run("markup", "undo")[0]["repriced"] == 3
    assert (prices(), MarkupRule.objects.get().percent) == ({Decimal("1.50")}, 50)
    run("markup", "undo")
    assert prices() == {Decimal(2)}


def test_a_deleted_rule_leaves_services_off_sale_and_comes_back_by_undo(meridian: Provider) -> None:
    (told,) = run("markup", "delete", str(MarkupRule.objects.get().pk))
    assert (told["repriced"], MarkupRule.objects.count()) == (3, 0)
    assert Service.objects.exclude(off_sale="").count() == 3
    run("markup", "undo")
    assert (prices(), Service.objects.filter(off_sale="").count()) == ({Decimal("1.50")}, 3)


def test_a_price_list_has_rules_of_its_own(meridian: Provider) -> None:
    group = PriceGroup.objects.create(name="Resellers")
    (added,) = run("markup", "add", "--list", "Resellers", "--everything", "--percent", "10")
    assert (added["price_list"], added["repriced"]) == ("Resellers", 0)
    assert [rule["percent"] for rule in run("markup", "list", "--list", "Resellers")] == ["10"]
    assert [rule["percent"] for rule in run("markup", "list", "--list", "standard")] == ["50"]
    run("markup", "undo", "--list", "Resellers")
    assert not group.markup_rules.exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["add", "--percent", "5"], "Say what it applies to"),
        (["add", "--everything"], "Say what it adds"),
        (["add", "--everything", "--percent", "-101"], "percent: "),
        (["add", "--everything", "--percent", "much"], "percent: "),
        (["add", "--everything", "--percent", "5", "--rounding", "odd"], "rounding: "),
        (["add", "--service", "999999", "--percent", "5"], "no service with this number"),
        (["add", "--category", "Nowhere", "--percent", "5"], "no category named Nowhere"),
        (["add", "--provider", "Nobody", "--percent", "5"], "Nobody"),
        (["add", "--list", "Nobody", "--everything", "--percent", "5"], "no price list named Nobody"),
        (["change"], "Say which rule"),
        (["change", "999999", "--percent", "5"], "no rule 999999"),
        (["delete", "x"], "'x' is not the number of a rule"),
        (["undo"], "no change of these rules that can be taken back"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    meridian: Provider, words: list[str], sentence: str
) -> None:
    before = list(MarkupRule.objects.values()), AuditEntry.objects.count()
    assert sentence in refused("markup", *words)
    assert (list(MarkupRule.objects.values()), AuditEntry.objects.count()) == before


def test_a_second_rule_for_a_service_is_refused(meridian: Provider) -> None:
    number = str(service_of(meridian, 1).pk)
    run("markup", "add", "--service", number, "--percent", "5")
    assert "a rule for this service already" in refused(
        "markup", "add", "--service", number, "--percent", "6"
    )
    assert service_of(meridian, 1).rate == Decimal("1.05")


def test_only_somebody_whose_role_may_is_named(meridian: Provider) -> None:
    rita = world.reviewer()
    words = ["markup", "add", "--everything", "--percent", "5", "--by"]
    assert refused(*words, rita.email) == f"{rita.email} may not do this: Admin, Superuser only."
    assert "no account with the e-mail" in refused(*words, "nobody@example.com")
    assert MarkupRule.objects.count() == 1
