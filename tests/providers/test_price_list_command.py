"""Price lists from the command line: made, renamed, filled with customers and rules, removed."""

from decimal import Decimal

import pytest

from customers.models import AuditEntry, PriceGroup, User
from customers.permissions import SUPERUSER, TABLE, Permission
from providers.models import MarkupRule, Service
from providers.rates import CustomerRates
from tests import staff_world, world
from tests.providers.command_line import audited, refused, run, text
from tests.providers.shop import everything_at

pytestmark = pytest.mark.django_db


@pytest.fixture
def sold() -> Service:
    """A service at a cost of 1.00 that everybody pays 2.00 for."""
    everything_at(100)
    return world.service(world.offer(world.provider(), rate=Decimal(1)), rate="2.00", cost_rate=Decimal(1))


def pays(customer: User, service: Service) -> Decimal:
    return CustomerRates(User.objects.get(pk=customer.pk)).rate(service)


def test_from_a_new_list_to_the_price_that_its_customers_pay(sold: Service) -> None:
    adam, alice = world.admin(), world.customer()
    (made,) = run("price_list", "add", "Resellers", "--note", "Large accounts", "--by", adam.email)
    assert (made["name"], made["note"], made["customers"], made["rules"]) == (
        "Resellers",
        "Large accounts",
        0,
        0,
    )
    run("price_list", "put", alice.email, "--on", "Resellers", "--by", adam.email)
    assert pays(alice, sold) == Decimal(2), "without rules of its own: the standard price"
    run("markup", "add", "--list", "Resellers", "--everything", "--percent", "20")
    assert (pays(alice, sold), pays(world.bob(), sold)) == (Decimal("1.2"), Decimal(2))
    assert [(row["customers"], row["rules"]) for row in run("price_list")] == [(1, 1)]
    assert alice.email in text("price_list", "show", "Resellers")
    assert audited("price_group.add") == [(adam.email, "Price list Resellers added")]
    assert audited("customer.price_group") == [
        (adam.email, f"Price list of {alice.email}: Resellers (before: Standard)")
    ]


def test_a_new_name_keeps_the_note_and_a_new_note_the_name(sold: Service) -> None:
    run("price_list", "add", "Resellers", "--note", "Large accounts")
    run("price_list", "rename", "Resellers", "--to", "Partners")
    run("price_list", "rename", "Partners", "--note", "")
    group = PriceGroup.objects.get()
    assert (group.name, group.note) == ("Partners", "")
    assert [who for who, _summary in audited("price_group.change")] == ["command line"] * 2


def test_a_list_goes_with_its_rules_once_nobody_is_on_it(sold: Service) -> None:
    alice = world.customer()
    run("price_list", "add", "Resellers")
    run("markup", "add", "--list", "Resellers", "--everything", "--percent", "20")
    run("price_list", "put", alice.email, "--on", "Resellers")
    assert refused("price_list", "delete", "Resellers").startswith("1 customer is on the list Resellers.")
    assert PriceGroup.objects.count() == 1
    run("price_list", "put", alice.email, "--on", "standard")
    assert pays(alice, sold) == Decimal(2)
    run("price_list", "delete", "Resellers")
    assert (PriceGroup.objects.count(), MarkupRule.objects.count()) == (0, 1)
    assert audited("price_group.delete") == [("command line", "Price list Resellers deleted")]


def test_putting_somebody_on_a_list_needs_the_permission_that_his_page_asks_for(
    sold: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    adam, alice = world.admin(), world.customer()
    group = PriceGroup.objects.create(name="Resellers")
    superusers = Permission((SUPERUSER,), "Only they")
    monkeypatch.setitem(TABLE, "customer.price", superusers)
    assert "Superuser only" in refused(
        "price_list", "put", alice.email, "--on", "Resellers", "--by", adam.email
    )
    page = staff_world.signed_in(adam).post(
        f"/manage/prices/customer/{alice.pk}", {"act": "list", "price_group": group.pk}
    )
    assert page.status_code == 403
    run("price_list", "add", "Partners", "--by", adam.email)  # is price.edit, on its page too
    monkeypatch.setitem(TABLE, "price.edit", superusers)
    assert "Superuser only" in refused("price_list", "add", "Others", "--by", adam.email)
    assert User.objects.get(pk=alice.pk).price_group is None


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["add", "Resellers"], "There is a price list named Resellers already."),
        (["add", "Standard"], "Standard is the list of everybody who is on no other."),
        (["add", "x" * 81], "at most 80 characters"),
        (["add"], "Say which list, by its name."),
        (["rename", "Nobody", "--to", "X"], "There is no price list named Nobody."),
        (["delete", "standard"], "Standard is the list of everybody who is on no other."),
        (["put", "alice@example.org"], "Say with --on which list."),
        (["put", "alice@example.org", "--on", "Nobody"], "There is no price list named Nobody."),
        (["put", "nobody@example.org", "--on", "Resellers"], "There is no account with the e-mail"),
        (["put", "rita@example.org", "--on", "Resellers"], "Only customers are changed here."),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(words: list[str], sentence: str) -> None:
    world.customer()
    world.reviewer()
    PriceGroup.objects.create(name="Resellers")
    before = list(PriceGroup.objects.values()), AuditEntry.objects.count()
    assert sentence in refused("price_list", *words)
    assert (list(PriceGroup.objects.values()), AuditEntry.objects.count()) == before
    assert not User.objects.filter(price_group__isnull=False).exists()
