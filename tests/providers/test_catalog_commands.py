"""Catalog changes from the command line: listed with numbers and effect, accepted, refused and undone."""

from decimal import Decimal

import pytest

from customers.models import AuditEntry
from providers.models import CatalogChange, Offer, Provider, Service
from providers.publishing import publish
from tests import world
from tests.providers.command_line import audited, refused, run, text
from tests.providers.shop import Upstream, connected, everything_at, offer_of, service_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def meridian(shop: Upstream) -> Provider:
    """Twenty services sold at a markup of 50 %; the prices of two have jumped, a third has other limits."""
    shop.list_many(20)
    provider = connected(shop)
    run("sync_catalog", "--apply")
    everything_at(50)
    publish(provider)
    shop.list(1, rate="3")
    shop.list(2, rate="4")
    shop.list(3, min="20")
    run("sync_catalog")
    return provider


def waiting(provider: Provider, number: int) -> CatalogChange:
    return CatalogChange.objects.get(provider=provider, external_id=str(number), state="staged")


def test_what_waits_is_listed_with_numbers_and_what_accepting_does(meridian: Provider) -> None:
    rows = {row["service"]: row for row in run("catalog_changes", "Meridian")}
    assert set(rows) == {"1", "2", "3"}
    jump = rows["1"]
    assert (jump["id"], jump["kind"], jump["provider"]) == (waiting(meridian, 1).pk, "price", "Meridian")
    assert (jump["before"], jump["after"]) == ({"rate": "1.00000000"}, {"rate": "3.00000000"})
    effect = jump["effect"]
    assert (effect["service"], effect["below_cost"]) == (service_of(meridian, 1).pk, False)
    assert (Decimal(effect["price_before"]), Decimal(effect["price_after"])) == (
        Decimal("1.5"),
        Decimal("4.5"),
    )
    assert (rows["3"]["effect"], rows["3"]["beyond_limits"]) == (None, False)
    assert len(run("catalog_changes", "--kind", "price")) == 2
    assert len(run("catalog_changes", "--beyond")) == 2
    assert "Placement 1: price rate 1.00000000 → rate 3.00000000; our price 1.5 → 4.5 at a cost of 3" in text(
        "catalog_changes"
    )


def test_single_changes_or_a_kind_are_accepted_in_the_name_of_whoever_did_it(meridian: Provider) -> None:
    adam = world.admin()
    one = waiting(meridian, 1)
    told = run("catalog_accept", "Meridian", "--changes", str(one.pk), "--dry-run")[0]
    assert (told["changes"], told["touched"], told["below_cost"]) == (1, 1, 0)
    assert service_of(meridian, 1).rate == Decimal("1.5")
    assert run("catalog_accept", "Meridian", "--changes", str(one.pk), "--by", adam.email)[0]["applied"] == 1
    assert service_of(meridian, 1).rate == Decimal("4.5")
    assert service_of(meridian, 2).rate == Decimal("1.5")
    one.refresh_from_db()
    assert one.decided_by == adam
    assert run("catalog_accept", "Meridian", "--kind", "limits")[0]["applied"] == 1
    assert service_of(meridian, 3).minimum == 20
    assert audited("catalog.accept") == [
        (adam.email, "1 catalog change of Meridian accepted"),
        ("command line", "1 catalog change of Meridian accepted"),
    ]


def test_what_is_refused_is_not_offered_again_and_the_old_price_never_sold(
    shop: Upstream, meridian: Provider
) -> None:
    run("sync_catalog", "--apply")  # beyond the limits: off sale until decided
    assert run("catalog_refuse", "Meridian", "--ids", "1") == [{"provider": "Meridian", "refused": 1}]
    run("sync_catalog", "--apply")
    assert [row["service"] for row in run("catalog_changes")] == ["2"]
    assert not service_of(meridian, 1).on_sale
    assert offer_of(meridian, 1).rate == Decimal(1)
    assert audited("catalog.refuse") == [("command line", "1 catalog change of Meridian refused")]
    assert run("catalog_refuse", "Meridian", "--all")[0]["refused"] == 1
    assert run("catalog_changes") == []


def test_a_revision_is_undone_by_its_number_or_as_the_last(meridian: Provider) -> None:
    (done,) = run("catalog_accept", "Meridian", "--ids", "3")
    (other,) = run("catalog_accept", "Meridian", "--kind", "price")
    latest, earlier = run("catalog_undo", "Meridian")
    assert (latest["revision"], latest["changes"]) == (other["revision"], 2)
    assert earlier["revision"] == done["revision"]
    assert run("catalog_undo", "Meridian", done["revision"])[0]["undone"] == 1
    assert service_of(meridian, 3).minimum == 10
    assert run("catalog_undo", "Meridian", "--last")[0]["revision"] == other["revision"]
    assert offer_of(meridian, 1).rate == Decimal(1)
    assert not service_of(meridian, 1).on_sale  # the provider still charges the new price
    assert [summary for _who, summary in audited("catalog.undo")] == [
        "1 catalog change of Meridian undone",
        "2 catalog changes of Meridian undone",
    ]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["catalog_accept", "Meridian", "--ids", "1,9"], "No change waits for service 9 of Meridian."),
        (["catalog_accept", "Meridian", "--changes", "999999"], "No change waits for number 999999"),
        (["catalog_refuse", "Meridian", "--changes", "one"], "'one' is not the number of a change."),
        (["catalog_refuse", "Meridian", "--ids", "9"], "No change waits for service 9 of Meridian."),
        (["catalog_refuse", "Meridian"], "one of the arguments"),
        (["catalog_undo", "Meridian", "yesterday"], "'yesterday' is not a revision."),
        (["catalog_undo", "Meridian", "00000000-0000-4000-8000-000000000000"], "has no such revision"),
        (["catalog_undo", "Meridian", "--last"], "Nothing was applied at Meridian that could be undone."),
        (["catalog_decide", "--accept", "999999"], "No change waits for number 999999."),
        (["catalog_decide", "--accept", "x"], "'x' is not the number of a change."),
        (["catalog_decide"], "Say what to accept or to refuse"),
        (["catalog_changes", "Nobody"], "Nobody"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    meridian: Provider, words: list[str], sentence: str
) -> None:
    def rows() -> list[object]:
        tables = (CatalogChange, Offer, Service, AuditEntry)
        return [list(table.objects.order_by("pk").values()) for table in tables]

    before = rows()
    assert sentence in refused(*words)
    assert rows() == before


def test_changes_of_several_providers_are_decided_as_one_revision_and_undone_as_one(
    shop: Upstream, meridian: Provider
) -> None:
    other = connected(shop, "Other")
    run("sync_catalog", "Other", "--apply")
    publish(other)
    shop.list(4, rate="5")
    run("sync_catalog")
    mine, theirs, no = waiting(meridian, 4), waiting(other, 4), waiting(meridian, 1)
    adam, accepted = world.admin(), f"{mine.pk},{theirs.pk}"
    told = run("catalog_decide", "--accept", accepted, "--dry-run")[0]
    assert (told["changes"], told["touched"], offer_of(other, 4).rate) == (2, 2, Decimal(1))
    (done,) = run("catalog_decide", "--accept", accepted, "--refuse", str(no.pk), "--by", adam.email)
    assert (done["applied"], done["refused"]) == (2, 1)
    assert (offer_of(meridian, 4).rate, offer_of(other, 4).rate) == (Decimal(5), Decimal(5))
    assert [row["service"] for row in run("catalog_changes", "--kind", "price")] == ["2"]
    (undone,) = run("catalog_undo", "Other", done["revision"])
    assert undone["providers"] == {"Meridian": 1, "Other": 1}
    assert (offer_of(meridian, 4).rate, offer_of(other, 4).rate) == (Decimal(1), Decimal(1))
    assert [who for who, _summary in audited("catalog.accept")] == [adam.email, adam.email]


def test_a_reviewer_decides_no_catalog(meridian: Provider) -> None:
    rita = world.reviewer()
    sentence = refused("catalog_refuse", "Meridian", "--all", "--by", rita.email)
    assert sentence == f"{rita.email} may not do this: Admin, Superuser only."
    assert len(run("catalog_changes")) == 3


def test_an_undo_says_before_what_it_does_to_prices_and_what_goes_off_sale(
    shop: Upstream, meridian: Provider
) -> None:
    shop.list(21)
    run("sync_catalog")
    (done,) = run("catalog_accept", "Meridian", "--all")
    publish(meridian)
    new, dearer = service_of(meridian, 21), service_of(meridian, 1)
    sums, *rest = run("catalog_undo", "Meridian", done["revision"], "--dry-run")
    assert (sums["undoes"], sums["unpublished"]) == (4, [{"service": new.pk, "name": new.name}])
    effect, *rows = rest
    assert (effect["touched"], effect["below_cost"]) == (2, 0)
    foreseen = {row["service_id"]: row for row in rows}
    assert new.on_sale and dearer.rate == Decimal("4.5"), "asking changes nothing"
    run("catalog_undo", "Meridian", done["revision"])
    for pk, row in foreseen.items():
        service = Service.objects.get(pk=pk)
        assert (Decimal(row["new_price"]), Decimal(row["cost"])) == (service.rate, service.cost_rate)
        assert row["off_sale"] == service.off_sale != ""
    assert not service_of(meridian, 21).published
    assert "nothing to undo" in refused("catalog_undo", "Meridian", done["revision"], "--dry-run")


def test_what_would_sell_below_cost_is_hidden_by_the_command(meridian: Provider) -> None:
    service = service_of(meridian, 1)
    Service.objects.filter(pk=service.pk).update(pinned_rate=Decimal("1.5"))
    presets = {row["service"]: row["preset"] for row in run("catalog_changes", "--kind", "price")}
    assert presets == {"1": "hide", "2": "accept"}
    assert "better hidden (catalog_decide --hide)" in text("catalog_changes")
    number = str(waiting(meridian, 1).pk)
    told = run("catalog_decide", "--hide", number, "--dry-run")[0]
    assert (told["changes"], told["hidden"], told["below_cost"]) == (1, 1, 0)
    done = run("catalog_decide", "--hide", number)[0]
    assert (done["applied"], done["hidden"]) == (1, 1)
    assert not service_of(meridian, 1).published
    foreseen = run("catalog_undo", "Meridian", "--last", "--dry-run")[0]
    assert foreseen["shown_again"] == 1
    run("catalog_undo", "Meridian", "--last")
    assert service_of(meridian, 1).published
