"""Erasing a person: nothing names him any more, the books are as before, open orders finish, and it happens once."""

import uuid
from decimal import Decimal
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.db import IntegrityError, connection, transaction
from django.test import Client

from customers import erasing, wallet
from customers.adjusting import CannotAdjust, adjust_balance
from customers.api_keys import create_api_key
from customers.audit import record
from customers.enrolling import enrol_totp
from customers.erasing import CannotErase
from customers.managing import suspension_mark, write_staff_note
from customers.models import AuditEntry, DepositRequest, Notice, Transfer, User
from orders.erasing import erase_customer
from orders.models import Order
from orders.settlement import end_partial, lock_order
from providers.models import Alert
from providers.reporting import report_service
from tests import staff_world, world
from tests.customers.test_team import just_confirmed

pytestmark = pytest.mark.django_db


@pytest.fixture
def adam() -> User:
    return world.admin()


@pytest.fixture
def alice(adam: User) -> User:
    """A customer with everything that can name her."""
    alice = world.customer(name="Alice Ames", time_zone="Europe/Berlin", notices={"finished": True})
    EmailAddress.objects.create(user=alice, email="alice.ames@example.net", verified=False)
    enrol_totp(alice, staff_world.TOTP_SECRET)
    create_api_key(alice, label="alices shop", by=alice)
    write_staff_note(alice, "Lives in Rome", by=adam)
    write_staff_note(alice, "Lives in Bonn", by=adam)
    Notice.objects.create(user=alice, key="k", subject="For alice@example.org", text="Dear Alice Ames")
    client = Client(REMOTE_ADDR="192.0.2.77")
    client.post("/account/login/", {"login": "alice@example.org", "password": world.PASSWORD})
    record(alice, "api_key.change", alice, "Key of alice@example.org", {"to": "alice@example.org"}, None)
    return alice


def every_text() -> str:
    """All rows of all tables as text."""
    with connection.cursor() as cursor:
        found = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT string_agg(t::text, chr(10)) FROM "{table}" t')
            found.append(cursor.fetchone()[0] or "")
    return "\n".join(found)


def test_nothing_names_the_person_any_more_and_the_books_are_as_before(alice: User, adam: User) -> None:
    order = world.order(alice, world.service(world.offer(world.provider())), reference="alices wedding")
    adjust_balance(alice, Decimal(5), "Goodwill", by=adam)
    before = list(Transfer.objects.order_by("pk").values_list("pk", "amount", "cause", "at"))
    entries = list(AuditEntry.objects.order_by("pk").values_list("pk", "at", "verb", "subject", "actor_id"))
    left = erase_customer(alice, typed="Alice@example.org", write_off="She asked for it", by=adam)
    text = every_text()
    for word in (
        "alice@example",
        "alice.ames",
        "Alice Ames",
        "alices",
        "Rome",
        "Bonn",
        "192.0.2.77",
        "Berlin",
    ):
        assert word not in text, word
    alice.refresh_from_db()
    assert (alice.email, left) == (f"customer-{alice.pk}@erased.invalid",) * 2
    assert (alice.is_active, alice.has_usable_password(), alice.role) == (False, False, "customer")
    assert not alice.api_keys.exists() and not UserSession.objects.filter(user=alice).exists()
    assert (
        list(Transfer.objects.order_by("pk").values_list("pk", "amount", "cause", "at"))[: len(before)]
        == before
    )
    kept = AuditEntry.objects.order_by("pk").values_list("pk", "at", "verb", "subject", "actor_id")
    assert list(kept)[: len(entries)] == entries
    assert AuditEntry.objects.filter(actor=alice).exists()
    assert AuditEntry.objects.get(verb="customer.erase").subject == f"user:{alice.pk}"
    assert Order.objects.get(pk=order.pk).link == order.link
    assert wallet.balance_of(alice) == 0
    world.sane()


def test_whoever_is_called_nearly_so_keeps_his_name_in_the_trail(alice: User, adam: User) -> None:
    """The address is replaced where it stands by itself, however it is written, and not inside a longer one."""
    others = (
        "malice@example.org",
        "x.alice@example.org",
        "alice@example.org.uk",
        "alice@example.organic.net",
    )
    for other in others:
        record(adam, "customer.create", f"user:{other}", f"Customer {other} created", {"text": other})
    record(adam, "deny_list.add", "denial:1", "“Alice@Example.org” added.", {"lines": "a\nalice@example.org"})
    erase_customer(alice, typed=alice.email, write_off="Closed", by=adam)
    for other in others:
        entry = AuditEntry.objects.get(subject=f"user:{other}")
        assert (entry.summary, entry.details) == (f"Customer {other} created", {"text": other})
    entry = AuditEntry.objects.get(verb="deny_list.add")
    who = f"customer {alice.pk}"
    assert (entry.summary, entry.details) == (f"“{who}” added.", {"lines": f"a\n{who}"})


def test_what_she_reported_and_what_she_was_called_before_go_too(alice: User, adam: User) -> None:
    service = world.service(world.offer(world.provider()))
    bob = world.customer("malice@example.org")
    report_service(alice, service, "Alice Ames saw nothing arrive")
    report_service(bob, service, "Slow")
    User.objects.filter(pk=alice.pk).update(email="ames@example.com")
    alice.refresh_from_db()
    EmailAddress.objects.filter(user=alice).delete()
    erase_customer(alice, typed="ames@example.com", write_off="Closed", by=adam)
    text = every_text()
    for word in ("ames@example.com", " alice@example.org", '"alice@example.org', "Alice Ames"):
        assert word not in text, word
    hers, his = (Alert.objects.get(key=f"report:{service.pk}:{person.pk}") for person in (alice, bob))
    assert hers.text == f"customer {alice.pk} reports service {service.pk}"
    assert his.text == f"malice@example.org reports service {service.pk}: Slow"


def test_an_open_order_finishes_and_its_refund_is_booked(alice: User, adam: User) -> None:
    order = staff_world.accepted(world.order(alice, world.service(world.offer(world.provider()))))
    erase_customer(alice, typed=alice.email, write_off="Closed", by=adam)
    with transaction.atomic():
        end_partial(lock_order(order.pk), 500, "ended early", "provider")
    assert wallet.balance_of(alice) == Decimal(1)
    world.sane()


@pytest.mark.parametrize(
    ("typed", "write_off", "words"),
    [
        ("bob@example.org", "x", "Type the customer's e-mail"),
        ("", "x", "Type the customer's e-mail"),
        ("alice@example.org", " ", "$100.00 is left in the wallet"),
    ],
)
def test_without_the_words_nothing_is_erased(
    alice: User, adam: User, typed: str, write_off: str, words: str
) -> None:
    with pytest.raises(CannotErase, match=words.replace("$", r"\$")):
        erase_customer(alice, typed=typed, write_off=write_off, by=adam)
    alice.refresh_from_db()
    assert (alice.name, alice.is_active, wallet.balance_of(alice)) == ("Alice Ames", True, 100)


def test_a_payment_that_waits_staff_and_a_second_time_stand_in_the_way(alice: User, adam: User) -> None:
    asked = DepositRequest.objects.create(user=alice, method="bank", amount=5, reference="R")
    with pytest.raises(CannotErase, match="1 payment waits"):
        erase_customer(alice, typed=alice.email, write_off="x", by=adam)
    DepositRequest.objects.filter(pk=asked.pk).update(state="refused")
    erase_customer(alice, typed=alice.email, write_off="x", by=adam)
    alice.refresh_from_db()
    with pytest.raises(CannotErase, match="erased already"):
        erase_customer(alice, typed=alice.email, write_off="x", by=adam)
    rita = world.reviewer()
    with pytest.raises(CannotErase, match="Only customers"):
        erase_customer(rita, typed=rita.email, write_off="x", by=adam)


def test_the_audit_trail_cannot_be_changed_otherwise(alice: User, adam: User) -> None:
    entry = AuditEntry.objects.first()
    assert entry is not None
    rows = AuditEntry.objects.filter(pk=entry.pk)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        rows.update(summary="Something else")
    for values in (
        {"verb": "x.y"},
        {"subject": "user:1"},
        {"actor": alice if entry.actor != alice else adam},
    ):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL headwater.erasing = 'on'")
            rows.update(**values)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL headwater.erasing = 'on'")
        rows.delete()


def test_an_admin_erases_on_the_page_after_confirming_who_he_is(alice: User, adam: User) -> None:
    client, url = staff_world.signed_in(adam), f"/staff/customers/{alice.pk}/erase"
    page = client.get(url).content.decode()
    assert "$100.00" in page and "Stays, under the number" in page
    fields = {"typed": "alice@example.org", "write_off": "She asked"}
    asked = client.post(url, fields)
    assert asked.headers["Location"].startswith("/account/reauthenticate/")
    alice.refresh_from_db()
    assert alice.is_active
    just_confirmed(client)
    refused = client.post(url, fields | {"typed": "alice"})
    assert refused.status_code == 422 and "Nothing was erased" in refused.content.decode()
    done = client.post(url, fields, follow=True).content.decode()
    assert "Erased. The account is called" in done and "Alice Ames" not in done
    assert 'href="/staff/customers' in done and "Save suspension" not in done
    own = Client()
    own.post("/account/login/", {"login": "alice@example.org", "password": world.PASSWORD})
    assert own.get("/orders/").status_code == 302


def test_what_is_written_off_counts_towards_the_limit(alice: User, adam: User) -> None:
    from customers import site_settings

    site_settings.change({"admin_adjust_single": "50"})
    with pytest.raises(CannotErase, match="at most"):
        erase_customer(alice, typed=alice.email, write_off="x", by=adam)
    alice.refresh_from_db()
    assert alice.erased_at is None and wallet.balance_of(alice) == 100


def test_reviewers_neither_erase_nor_download(alice: User) -> None:
    client = staff_world.signed_in(world.reviewer())
    assert client.post(f"/staff/customers/{alice.pk}/erase").status_code == 403
    assert client.post(f"/staff/customers/{alice.pk}/data").status_code == 403


def test_the_download_for_staff_is_the_customers_own_and_audited(alice: User, adam: User) -> None:
    answer: Any = staff_world.signed_in(adam).post(f"/staff/customers/{alice.pk}/data")
    assert '"email": "alice@example.org"' in b"".join(answer.streaming_content).decode()
    assert AuditEntry.objects.get(verb="export.customer").subject == f"user:{alice.pk}"
    own: Any = staff_world.signed_in(alice).get("/account/data.json")
    assert "alices shop" in b"".join(own.streaming_content).decode()
    assert AuditEntry.objects.get(verb="export.own_data").actor == alice


def test_a_customer_asks_for_it_himself_and_may_take_it_back(alice: User, adam: User) -> None:
    own, staff = staff_world.signed_in(alice), staff_world.signed_in(adam)
    own.post("/account/data/deletion", {"wanted": "yes"})
    alice.refresh_from_db()
    assert alice.deletion_asked_at and alice.is_active
    assert "Keep my account" in own.get("/account/data").content.decode()
    assert f"customer-{alice.pk}" in staff.get("/staff/customers?tab=deletion").content.decode()
    assert "for the account to be deleted" in staff.get(f"/staff/customers/{alice.pk}").content.decode()
    own.post("/account/data/deletion", {"wanted": "no"})
    own.post("/account/data/deletion", {"wanted": "no"})
    alice.refresh_from_db()
    assert alice.deletion_asked_at is None
    assert AuditEntry.objects.filter(verb__startswith="customer.deletion").count() == 2
    assert staff.post("/account/data/deletion", {"wanted": "yes"}).status_code == 403
    assert erasing.why_not(alice) == ""


def test_limits_of_corrections_by_role(alice: User, adam: User) -> None:
    """At once and in 24 hours, up and down added together; a reviewer moves nothing until he is given a limit."""
    from customers import site_settings

    site_settings.change({"reviewer_adjust_single": "10", "reviewer_adjust_day": "15"})
    rita = staff_world.signed_in(world.reviewer())

    def adjust(amount: str) -> Any:
        data = {"amount": amount, "reason": "Goodwill", "key": str(uuid.uuid4())}
        return rita.post(f"/staff/customers/{alice.pk}/adjust", data)

    over = adjust("10.000001")
    assert over.status_code == 422
    assert "You may move at most $10.00 at once" in over.content.decode()
    assert adjust("10").status_code == 302
    assert "of which $5.00 is left" in rita.get(f"/staff/customers/{alice.pk}").content.decode()
    late = adjust("-5.01")
    assert "at most $15.00 in 24 hours; you moved $10.00 already" in late.content.decode()
    assert adjust("-5").status_code == 302
    assert wallet.balance_of(alice) == 105
    site_settings.change({"reviewer_adjust_single": ""})
    assert adjust("1").status_code == 403
    assert adjust_balance(alice, Decimal(500), "Any amount", by=adam).amount == 500
    world.sane()


def test_another_address_of_his_own_gives_nobody_a_second_limit(alice: User) -> None:
    from customers import site_settings

    site_settings.change({"reviewer_adjust_single": "10", "reviewer_adjust_day": "10"})
    rita = world.reviewer()
    adjust_balance(alice, Decimal(10), "Goodwill", by=rita)
    rita.email = "rita.new@example.org"
    rita.save(update_fields=["email"])
    with pytest.raises(CannotAdjust, match=r"you moved \$10.00 already"):
        adjust_balance(alice, Decimal(1), "Goodwill", by=rita)


def test_an_opening_balance_counts_as_a_correction(adam: User) -> None:
    from customers import site_settings

    site_settings.change({"admin_adjust_single": "20"})
    data = {"email": "nina@example.org", "name": "", "password": "a long password 7", "balance": "21"}
    answer = staff_world.signed_in(adam).post("/staff/customers/new", data)
    assert answer.status_code == 422 and "at most $20.00 at once" in answer.content.decode()
    assert not User.objects.filter(email="nina@example.org").exists()


def test_a_suspended_customer_reads_what_is_suspended_and_the_words_for_him(alice: User, adam: User) -> None:
    staff, own = staff_world.signed_in(adam), staff_world.signed_in(alice)
    assert "Suspended for your account" not in own.get("/orders/").content.decode()
    staff.post(
        f"/staff/customers/{alice.pk}/suspend",
        {
            "orders": "on",
            "api": "on",
            "reason": "Chargeback",
            "note": "Write to us about your last payment.",
            "seen_suspension": suspension_mark(alice),
        },
    )
    alice.refresh_from_db()
    page = own.get("/orders/").content.decode()
    assert "Suspended for your account: placing orders, the API." in page
    assert "Write to us about your last payment." in page and "Chargeback" not in page
    entry = AuditEntry.objects.get(verb="customer.suspend")
    assert (entry.details["now"], entry.details["note"]) == (
        "orders, API",
        "Write to us about your last payment.",
    )
    staff.post(
        f"/staff/customers/{alice.pk}/suspend",
        {"reason": "Settled", "seen_suspension": suspension_mark(alice)},
    )
    alice.refresh_from_db()
    assert (alice.suspended_note, alice.suspended_reason) == ("", "")
