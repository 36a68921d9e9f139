"""After a new field key was put in front: every stored secret is written under it, and the old key can go."""

import json
from io import StringIO
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from allauth.mfa.utils import encrypt as sealed_by_allauth
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection

from customers import site_settings
from customers.encryption import SecretUnreadable, encrypt
from customers.enrolling import enrol_totp
from customers.models import AuditEntry, Setting, User
from customers.reencrypting import reencrypt_all
from providers.models import Provider
from tests import world
from tests.staff_world import TOTP_SECRET

pytestmark = pytest.mark.django_db
OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@pytest.fixture
def rita(settings: Any) -> User:
    """A panel with secrets of every kind, all under OLD."""
    settings.FIELD_KEYS = [OLD]
    world.provider(key="upstream secret")
    world.provider("", "", "Our own desk", adapter="manual")  # has no key
    site_settings.change({"hook_secret": "sixteen or more characters"})
    rita = world.reviewer()
    enrol_totp(rita, TOTP_SECRET)
    RecoveryCodes.activate(rita)
    data = {"migrated_codes": [sealed_by_allauth("11111111"), sealed_by_allauth("22222222")]}
    Authenticator.objects.create(user=world.admin(), type="recovery_codes", data=data)
    return rita


def run() -> dict[str, Any]:
    output = StringIO()
    call_command("reencrypt", "--json", stdout=output)
    answer: dict[str, Any] = json.loads(output.getvalue())
    return answer


def factor(user: User, kind: str) -> Authenticator:
    found: Authenticator = Authenticator.objects.get(user=user, type=kind)
    return found


def test_the_old_key_can_be_taken_away_afterwards(rita: User, settings: Any) -> None:
    codes = RecoveryCodes(factor(rita, "recovery_codes")).generate_codes()
    settings.FIELD_KEYS = [NEW, OLD]
    assert run() == {"renewed": 6, "already": 0, "unreadable": []}
    settings.FIELD_KEYS = [NEW]
    assert Provider.objects.get(name="Meridian").key == "upstream secret"
    assert Provider.objects.get(adapter="manual").key == ""
    assert site_settings.load().hook_secret.open() == "sixteen or more characters"
    code = format_hotp_value(hotp_value(TOTP_SECRET, next(iter(yield_hotp_counters_from_time()))))
    assert TOTP(factor(rita, "totp")).validate_code(code)
    assert RecoveryCodes(factor(rita, "recovery_codes")).generate_codes() == codes
    adam = User.objects.get(email="adam@example.org")
    assert RecoveryCodes(factor(adam, "recovery_codes")).generate_codes() == ["11111111", "22222222"]
    assert AuditEntry.objects.get(verb="secrets.reencrypt").details["renewed"] == 6


def test_without_it_the_old_key_is_needed(rita: User, settings: Any) -> None:
    settings.FIELD_KEYS = [NEW]
    with pytest.raises(SecretUnreadable):
        Provider.objects.get(name="Meridian")


def test_running_it_again_writes_nothing(rita: User, settings: Any) -> None:
    settings.FIELD_KEYS = [NEW, OLD]
    run()
    before = _stored()
    assert run() == {"renewed": 0, "already": 6, "unreadable": []}
    assert _stored() == before
    assert AuditEntry.objects.filter(verb="secrets.reencrypt").count() == 1


def test_what_no_key_opens_is_named_and_left_and_the_rest_is_done(rita: User, settings: Any) -> None:
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]
    lost = world.provider("https://lost.example/api", "gone", "Lost")
    kept = encrypt("gone")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE providers_provider SET key = %s WHERE id = %s", [kept, lost.pk])
    settings.FIELD_KEYS = [NEW, OLD]
    output = StringIO()
    with pytest.raises(
        CommandError, match=f"1 secrets are opened by none of FIELD_KEYS .*providers.Provider {lost.pk}"
    ):
        call_command("reencrypt", "--json", stdout=output)
    assert json.loads(output.getvalue())["renewed"] == 6
    assert kept in _stored()
    settings.FIELD_KEYS = [NEW]
    assert Provider.objects.get(name="Meridian").key == "upstream secret"


def test_a_key_that_is_replaced_at_the_same_moment_stays_the_new_one(
    rita: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FIELD_KEYS = [NEW, OLD]
    import customers.reencrypting as acting

    plainly = acting.reencrypt

    def meanwhile(stored: str) -> str:
        Provider.objects.filter(name="Meridian").update(key="typed just now")
        return plainly(stored)

    monkeypatch.setattr(acting, "reencrypt", meanwhile)
    reencrypt_all()
    assert Provider.objects.get(name="Meridian").key == "typed just now"


def _stored() -> list[str]:
    """Ciphertexts and JSON as the database has them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT key FROM providers_provider ORDER BY id")
        keys = [row[0] for row in cursor.fetchall()]
    rows = [*Setting.objects.order_by("pk").values_list("value", flat=True)]
    rows += Authenticator.objects.order_by("pk").values_list("data", flat=True)
    return keys + [json.dumps(row) for row in rows]
