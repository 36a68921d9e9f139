"""Keys: what each may do, from where, until when; what is kept of them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client, override_settings
from django.utils import timezone

from customers.api_keys import (
    MOST_KEYS,
    TooManyKeys,
    allows_address,
    change_api_key,
    create_api_key,
    live_keys,
    read_addresses,
    revoke_api_key,
    rotate_api_key,
)
from customers.models import ApiKey, AuditEntry, User
from orders.models import Order
from providers.models import Service
from tests import world
from tests.api.conftest import ADDRESS, Caller

pytestmark = pytest.mark.django_db

NOT_FOR_THIS = {"error": "API key not authorized for this action"}
CALLS: list[tuple[str, str, dict[str, str]]] = [
    ("read", "services", {}),
    ("read", "balance", {}),
    ("read", "status", {"order": "1"}),
    ("read", "refill_status", {"refill": "1"}),
    ("order", "add", {"service": "0"}),
    ("refill", "refill", {"order": "1"}),
    ("cancel", "cancel", {"order": "1"}),
]


@pytest.mark.parametrize("scope", ApiKey.SCOPES)
def test_a_key_does_what_its_scopes_say_and_nothing_else(
    scope: str, alice: User, key_of: Callable[..., str]
) -> None:
    call = Caller(key_of(alice, scopes=[scope]))
    refused = {action for needed, action, form in CALLS if call(action, **form) == NOT_FOR_THIS}
    assert refused == {action for needed, action, _form in CALLS if needed != scope}


def test_a_key_without_the_order_scope_places_nothing(
    alice: User, key_of: Callable[..., str], shop: Service
) -> None:
    call = Caller(key_of(alice, scopes=["read", "refill", "cancel"]))
    assert call("add", service=shop.pk, link="x", quantity=100) == NOT_FOR_THIS
    assert not Order.objects.exists()


def test_an_address_list_lets_only_those_in(alice: User, key_of: Callable[..., str]) -> None:
    call = Caller(key_of(alice, addresses=["203.0.113.24", "2001:db8::/32"]))
    for address, let_in in [
        ("203.0.113.24", True),
        ("203.0.113.25", False),
        ("::ffff:203.0.113.24", True),
        ("2001:db8:1::5", True),
        ("2001:db9::5", False),
        ("", False),
    ]:
        answer = call.post({"action": "balance"}, REMOTE_ADDR=address).json()
        assert (answer == {"error": "IP not allowed"}) != let_in, address


def test_a_claimed_forwarded_address_opens_nothing(alice: User, key_of: Callable[..., str]) -> None:
    call = Caller(key_of(alice, addresses=["203.0.113.24"]))
    response = call.post({"action": "balance"}, HTTP_X_FORWARDED_FOR="203.0.113.24")
    assert response.json() == {"error": "IP not allowed"}
    with override_settings(TRUSTED_PROXIES=1):
        response = call.post({"action": "balance"}, HTTP_X_FORWARDED_FOR="6.6.6.6, 203.0.113.24")
    assert response.json() == {"balance": "100.00", "currency": "USD"}


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("", []),
        (" 203.0.113.24,203.0.113.24\n10.0.0.7/8 ", ["203.0.113.24", "10.0.0.0/8"]),
        ("2001:DB8:0::1", ["2001:db8::1"]),
    ],
)
def test_addresses_are_kept_in_one_spelling(text: str, addresses: list[str]) -> None:
    assert read_addresses(text) == addresses


@pytest.mark.parametrize("text", ["example.org", "1.2.3", "1.2.3.4/40", "10.0.0.1-10.0.0.9", "x" * 500])
def test_what_is_no_address_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="neither an address nor a network"):
        read_addresses(text)


def test_an_expired_a_revoked_and_an_unknown_key_look_alike(call: Caller) -> None:
    key = ApiKey.objects.get()
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    expired = call("balance")
    ApiKey.objects.update(expires_at=timezone.now() + timedelta(minutes=1))
    assert call("balance") == {"balance": "100.00", "currency": "USD"}
    assert revoke_api_key(key)
    revoked = call("balance")
    call.key = "hw_" + "0" * 64
    assert expired == revoked == call("balance") == {"error": "Invalid API key"}


def test_a_key_with_spaces_around_it_works(call: Caller) -> None:
    call.key = f" {call.key}\n"
    assert "balance" in call("balance")


def test_a_rotated_key_goes_on_for_the_overlap(alice: User, call: Caller) -> None:
    old = ApiKey.objects.get()
    change_api_key(old, label="Shop", scopes=["read"], addresses=["127.0.0.1"], expires_at=None)
    new, plain = rotate_api_key(old, overlap=timedelta(hours=1))
    assert (new.label, new.scopes, new.allowed_addresses, new.expires_at) == ("Shop", ["read"], ["127.0.0.1"], None)  # fmt: skip
    assert "balance" in call("balance")
    assert "balance" in Caller(plain)("balance")
    old.refresh_from_db()
    assert timedelta(minutes=59) < old.expires_at - timezone.now() <= timedelta(hours=1)  # type: ignore[operator]


def test_a_rotation_without_overlap_ends_the_old_key_at_once(call: Caller) -> None:
    _new, plain = rotate_api_key(ApiKey.objects.get(), overlap=timedelta(0))
    assert call("balance") == {"error": "Invalid API key"}
    assert "balance" in Caller(plain)("balance")


def test_a_rotation_never_lengthens_a_keys_life(alice: User) -> None:
    soon = timezone.now() + timedelta(minutes=5)
    key, _plain = create_api_key(alice, expires_at=soon)
    new, _plain = rotate_api_key(key, overlap=timedelta(days=7))
    key.refresh_from_db()
    assert key.expires_at == new.expires_at == soon


def test_a_customer_has_at_most_so_many_live_keys(alice: User) -> None:
    keys = [create_api_key(alice)[0] for _ in range(MOST_KEYS)]
    with pytest.raises(TooManyKeys):
        create_api_key(alice)
    revoke_api_key(keys[0])
    create_api_key(alice)
    assert live_keys(alice).count() == MOST_KEYS


def test_the_last_use_is_noted_at_most_once_a_minute(
    call: Caller, django_assert_num_queries: Callable[..., Any]
) -> None:
    call("balance")
    first = ApiKey.objects.get().last_used_at
    assert first is not None
    with django_assert_num_queries(2):  # the key, the balance; no write
        call("balance")
    assert ApiKey.objects.get().last_used_at == first
    ApiKey.objects.update(last_used_at=first - timedelta(seconds=61))
    call("balance")
    assert ApiKey.objects.get().last_used_at > first  # type: ignore[operator]


def test_a_refused_use_is_no_use(alice: User, key_of: Callable[..., str]) -> None:
    Caller(key_of(alice, addresses=["203.0.113.24"]))("balance")
    assert ApiKey.objects.get().last_used_at is None


def test_only_a_hash_is_kept(alice: User) -> None:
    _key, plain = create_api_key(alice, "Shop")
    kept = str(vars(ApiKey.objects.get())) + str([vars(entry) for entry in AuditEntry.objects.all()])
    assert plain not in kept
    assert plain[12:] not in kept
    assert len(bytes.fromhex(plain.removeprefix("hw_"))) == 32


def test_every_change_of_a_key_is_in_the_audit_log(alice: User) -> None:
    key, _plain = create_api_key(alice, by=alice)
    change_api_key(key, label="x", scopes=["read"], addresses=[], expires_at=None, by=alice)
    new, _plain = rotate_api_key(key, overlap=timedelta(0), by=alice)
    revoke_api_key(new, by=alice)
    verbs = list(AuditEntry.objects.order_by("id").values_list("verb", flat=True))
    assert verbs == ["api_key.create", "api_key.change", "api_key.create", "api_key.rotate", "api_key.revoke"]


def test_an_unreadable_address_is_not_allowed(alice: User) -> None:
    key, _plain = create_api_key(alice, addresses=["203.0.113.24"])
    assert not allows_address(key, "not an address")


def test_bobs_key_is_bobs(alice: User, call: Caller, key_of: Callable[..., str], shop: Service) -> None:
    bob = world.bob()
    order = Caller(key_of(bob))("add", service=shop.pk, link="x", quantity=100)["order"]
    assert call("status", order=order) == {"error": "Incorrect order ID"}
    assert Client().post(ADDRESS, {"key": key_of(bob), "action": "status", "order": order}).json()["status"]
