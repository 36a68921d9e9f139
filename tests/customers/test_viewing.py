"""Looking at the panel as a customer: nothing can be changed, whatever is tried, and both ends are in the audit log."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers.api_keys import create_api_key
from customers.enrolling import enrol_totp
from customers.models import Account, AuditEntry, User
from customers.team import switch
from orders.models import Order
from tests import staff_world, world
from tests.panel.access_matrix import walk
from tests.panel.test_access_matrix import Stage

pytestmark = pytest.mark.django_db
SENTENCE = "You are only looking. Nothing was changed, sent or charged."


@pytest.fixture
def alice() -> User:
    return world.customer(name="Alice Ames")


@pytest.fixture
def adam() -> User:
    return world.admin()


@pytest.fixture
def looking(adam: User, alice: User) -> Client:
    client = staff_world.signed_in(adam)
    assert client.post(f"/staff/customers/{alice.pk}/view").headers["Location"] == "/"
    return client


def everything() -> dict[str, str]:
    """A digest of every row of every table but those of sessions."""
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        digests = {}
        for table in sorted(tables - {"django_session", "usersessions_usersession"}):
            cursor.execute(
                f"SELECT coalesce(md5(string_agg(t::text, chr(10) ORDER BY t::text)), '') FROM \"{table}\" t"
            )
            digests[table] = cursor.fetchone()[0]
    return digests


def shown(answer: Any) -> str:
    return answer.content.decode()


def test_the_admin_sees_what_the_customer_sees_under_a_banner(looking: Client, alice: User) -> None:
    order = world.order(alice, world.service(world.offer(world.provider())))
    orders = shown(looking.get("/orders/"))
    assert f'href="/orders/{order.pk}"' in orders
    assert "You are looking at the account of alice@example.org, read-only" in orders
    assert "Stop looking" in orders and "Sign out" not in orders
    assert "$98.00" in shown(looking.get("/wallet/"))
    assert looking.get("/manage/").status_code == 403 == looking.get("/staff/customers").status_code


def test_every_write_to_every_address_is_refused(stage: Stage) -> None:
    """All addresses of the matrix, by every method that could write, as a page, and by htmx: 403, and not a row differs."""
    client = stage.clients["admin"]
    assert client.post(f"/staff/customers/{stage.alice.pk}/view").status_code == 302
    before, wrong = everything(), []
    for address in walk():
        if address.path == "/staff/viewing/end":
            continue
        path = stage.path_of(address)
        for method in (client.post, client.put, client.patch, client.delete):
            answer = method(path)
            if answer.status_code != 403 or SENTENCE not in shown(answer):
                wrong.append(f"{method.__name__.upper()} {address.path}: {answer.status_code}")
        answer = client.post(path, headers={"HX-Request": "true"})
        if (answer.status_code, shown(answer)) != (403, SENTENCE):
            wrong.append(f"htmx {address.path}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)
    assert everything() == before


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_no_page_that_is_read_changes_a_row(stage: Stage) -> None:
    client = stage.clients["admin"]
    client.raise_request_exception = False
    client.post(f"/staff/customers/{stage.alice.pk}/view")
    before, wrong, opened = everything(), [], 0
    for address in walk():
        answer = client.get(stage.path_of(address))
        opened += answer.status_code == 200
        if answer.status_code >= 500 and address.path != "/healthz":
            wrong.append(f"{address.path}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)
    assert everything() == before
    assert opened > 20


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/orders/new", {"service": "1", "link": "https://example.org", "quantity": "1000"}),
        ("/api/keys/new", {"label": "mine now", "scopes": ["read", "order"]}),
        ("/account/", {"name": "Somebody else", "time_zone": "UTC"}),
        ("/wallet/", {"method": "bank", "amount": "50", "reference": "R"}),
        ("/account/password/change/", {"oldpassword": "x", "password1": "y", "password2": "y"}),
        ("/account/logout/", {}),
    ],
)
def test_what_a_customer_may_do_the_admin_may_not(
    looking: Client, alice: User, path: str, fields: dict[str, Any]
) -> None:
    before = everything()
    answer = looking.post(path, fields)
    assert (answer.status_code, SENTENCE in shown(answer)) == (403, True)
    assert everything() == before


@pytest.mark.parametrize(
    "path",
    [
        "/account/data.json", "/orders/export.csv", "/wallet/statement.csv", "/services/prices.csv",
        "/account/2fa/", "/account/2fa/recovery-codes/", "/account/2fa/recovery-codes/download/",
        "/account/2fa/totp/activate/", "/account/password/change/", "/account/email/", "/account/sessions/",
        "/account/reauthenticate/", "/account/logout/",
    ],
)  # fmt: skip
def test_exports_and_the_pages_of_sign_in_stay_closed(looking: Client, alice: User, path: str) -> None:
    enrol_totp(alice, staff_world.TOTP_SECRET)
    answer = looking.get(path)
    assert (answer.status_code, "stays closed" in shown(answer)) == (403, True)


def test_a_key_of_the_customer_is_nowhere(looking: Client, alice: User) -> None:
    _row, key = create_api_key(alice, label="Shop")
    for path in ("/api", "/account/", "/account/data"):
        assert key not in shown(looking.get(path))


def test_a_page_that_writes_while_it_is_read_is_not_opened(
    looking: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a view does: the database refuses it."""

    def writing(user: User) -> Account:
        User.objects.filter(pk=user.pk).update(name="Written")
        raise AssertionError("the database let it pass")

    monkeypatch.setattr("customers.views.wallet.wallet_of", writing)
    answer = looking.get("/wallet/")
    assert (answer.status_code, "would change something" in shown(answer)) == (403, True)
    alice.refresh_from_db()
    assert alice.name == "Alice Ames"
    assert looking.get("/orders/").status_code == 200


def test_the_button_ends_it_and_both_ends_are_audited(looking: Client, alice: User, adam: User) -> None:
    answer = looking.post("/staff/viewing/end")
    assert answer.headers["Location"] == f"/staff/customers/{alice.pk}"
    assert looking.get("/manage/").status_code == 200
    assert "You are looking at" not in shown(looking.get("/manage/"))
    begin, end = AuditEntry.objects.filter(verb__startswith="viewing.").order_by("pk")
    assert [begin.verb, end.verb, end.details["how"]] == ["viewing.begin", "viewing.end", "by hand"]
    assert begin.actor == end.actor == adam
    assert begin.subject == end.subject == f"user:{alice.pk}"
    assert begin.address == "127.0.0.1"


def test_it_ends_after_half_an_hour_and_nothing_is_done_as_the_admin(looking: Client, alice: User) -> None:
    with time_machine.travel(timezone.now() + timedelta(minutes=31), tick=True):
        late = looking.post("/manage/dispatch/pause", {"note": "typed in the customer's page"})
        assert late.status_code == 403 and "has ended" in shown(late)
        assert not AuditEntry.objects.filter(verb="dispatch.pause").exists()
        assert AuditEntry.objects.get(verb="viewing.end").details["how"] == "time over"
        assert looking.get("/manage/").status_code == 200


def test_a_page_or_a_live_part_that_comes_too_late_leads_back_to_the_staff_page(
    looking: Client, alice: User
) -> None:
    with time_machine.travel(timezone.now() + timedelta(minutes=31), tick=True):
        live = looking.get("/orders/rows", headers={"HX-Request": "true"})
        assert live.headers["HX-Redirect"] == f"/staff/customers/{alice.pk}"
    looking.post(f"/staff/customers/{alice.pk}/view")
    with time_machine.travel(timezone.now() + timedelta(minutes=31), tick=True):
        assert looking.get("/orders/").headers["Location"] == f"/staff/customers/{alice.pk}"


def test_staff_and_closed_accounts_are_never_opened(adam: User, alice: User) -> None:
    client = staff_world.signed_in(adam)
    for user in (world.reviewer(), adam, User.objects.create_superuser("sue@example.org", world.PASSWORD)):
        assert client.post(f"/staff/customers/{user.pk}/view").status_code == 404
    User.objects.filter(pk=alice.pk).update(is_active=False)
    client.post(f"/staff/customers/{alice.pk}/view")
    assert client.get("/manage/").status_code == 200
    assert not AuditEntry.objects.filter(verb="viewing.begin").exists()


def test_a_customer_who_becomes_staff_is_not_shown_any_more(looking: Client, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(role=User.Role.REVIEWER)
    assert looking.get("/orders/").status_code == 302
    assert "You are looking at" not in shown(looking.get("/manage/"))


def test_an_admin_who_is_let_go_looks_no_longer(looking: Client, adam: User, rf: Any) -> None:
    sue = User.objects.create_superuser("sue@example.org", world.PASSWORD)
    switch(adam, False, by=sue, request=rf.get("/"))
    assert looking.get("/orders/").headers["Location"].startswith(("/account/login", "/"))
    assert "Alice" not in shown(looking.get("/wallet/", follow=True))


def test_a_reviewer_may_not_look(alice: User) -> None:
    client = staff_world.signed_in(world.reviewer())
    assert client.post(f"/staff/customers/{alice.pk}/view").status_code == 403
    assert client.get("/orders/").status_code == 200


def test_new_terms_and_maintenance_do_not_stand_in_the_way(looking: Client, alice: User) -> None:
    from customers import site_settings

    User.objects.filter(pk=alice.pk).update(terms_version="2020-01")
    site_settings.change({"maintenance": True})
    assert looking.get("/orders/").status_code == 200


def test_the_customers_own_session_is_as_before(looking: Client, alice: User) -> None:
    own = staff_world.signed_in(alice)
    service = world.service(world.offer(world.provider()))
    own.post("/account/", {"name": "Alice Anew", "time_zone": "UTC"})
    assert own.get("/account/2fa/").status_code == 200
    assert world.order(alice, service).pk == Order.objects.get().pk


def test_looking_costs_a_constant_number_of_queries(looking: Client, alice: User) -> None:
    service = world.service(world.offer(world.provider()))

    def counted() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert looking.get("/orders/").status_code == 200
        return len(queries)

    world.order(alice, service)
    counted()
    few = counted()
    for n in range(6):
        world.order(alice, service, f"https://example.org/{n}")
    assert counted() == few <= 20
