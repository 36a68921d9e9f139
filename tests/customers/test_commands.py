"""People and their money from the command line."""

import json
import re
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core.management import CommandError, call_command

from customers.api_keys import look_up_api_key, revoke_api_key
from customers.models import ApiKey, AuditEntry, Transfer, User
from customers.permissions import role_of
from customers.wallet import balance_of
from tests import world

pytestmark = pytest.mark.django_db
SECRET = "JBSWY3DPEHPK3PXP"


def run(*words: str) -> dict[str, Any]:
    """The JSON line of a command."""
    output = StringIO()
    call_command(*words, "--json", stdout=output)
    (line,) = output.getvalue().splitlines()
    answer: dict[str, Any] = json.loads(line)
    return answer


def test_a_customer_can_sign_in_at_once_and_has_his_balance_by_a_transfer() -> None:
    answer = run("create_customer", "Casey@Example.org", "--password", "pass word", "--balance", "100.5")
    user = User.objects.get(pk=answer["id"])
    assert (answer["email"], user.email, user.role) == ("casey@example.org", "casey@example.org", "customer")
    assert user.check_password("pass word")
    assert EmailAddress.objects.get(user=user).verified
    assert balance_of(user) == Decimal("100.5")
    assert Transfer.objects.get().note == "Opening balance"
    world.sane()


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("reviewer", ("reviewer", False, False)),
        ("admin", ("admin", False, False)),
        ("superuser", ("admin", True, True)),
    ],
)
def test_staff_get_their_role_and_their_second_factor(role: str, expected: tuple[Any, ...]) -> None:
    answer = run(
        "create_staff", "rita@example.org", "--password", "p", "--role", role, "--totp-secret", SECRET.lower()
    )
    user = User.objects.get(pk=answer["id"])
    assert (user.role, user.is_superuser, user.is_staff) == expected
    assert role_of(user) == role
    factor = Authenticator.objects.get(user=user, type="totp")
    code = format_hotp_value(hotp_value(SECRET, next(iter(yield_hotp_counters_from_time()))))
    assert TOTP(factor).validate_code(code)
    assert EmailAddress.objects.get(user=user).verified


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["create_customer", "taken@example.org", "--password", "p"], "exists already"),
        (["create_customer", "TAKEN@example.org", "--password", "p"], "exists already"),
        (["create_customer", "nobody", "--password", "p"], "not an e-mail"),
        (["create_customer", "new@example.org", "--password", ""], "password is empty"),
        (["create_customer", "new@example.org", "--password", "p", "--balance", "-1"], "balance"),
        (["create_customer", "new@example.org", "--password", "p", "--balance", "ten"], "balance"),
        (["create_customer", "new@example.org", "--password", "p", "--balance", "NaN"], "balance"),
        (["create_staff", "new@example.org", "--password", "p", "--role", "boss"], "not a role"),
        (
            ["create_staff", "new@example.org", "--password", "p", "--role", "admin", "--totp-secret", "1!"],
            "Base32",
        ),
        (["create_api_key", "nobody@example.org"], "no account"),
        (["adjust_balance", "nobody@example.org", "1", "--reason", "r"], "no account"),
        (["adjust_balance", "taken@example.org", "0", "--reason", "r"], "cannot be moved"),
        (["adjust_balance", "taken@example.org", "0.0000001", "--reason", "r"], "cannot be moved"),
        (["adjust_balance", "taken@example.org", "1e50", "--reason", "r"], "amount"),
        (["adjust_balance", "taken@example.org", "-101", "--reason", "r"], "is 100.000000"),
        (["adjust_balance", "taken@example.org", "1", "--reason", " "], "needs a reason"),
    ],
)
def test_wrong_input_is_one_sentence_and_changes_nothing(words: list[str], says: str) -> None:
    user = world.customer("taken@example.org")
    with pytest.raises(CommandError, match=says) as raised:
        run(*words)
    assert len(str(raised.value).splitlines()) == 1
    assert User.objects.count() == 1
    assert balance_of(user) == 100
    assert not AuditEntry.objects.exists()


def test_a_usage_error_is_one_sentence_on_stderr_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    from customers.management.commands.create_customer import Command

    with pytest.raises(SystemExit) as ended:
        Command().run_from_argv(["manage.py", "create_customer", "--json"])
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert "--password" in said.err


def test_an_api_key_is_shown_once_and_only_its_hash_is_kept() -> None:
    user = world.customer()
    answer = run("create_api_key", user.email, "--label", "Script")
    key = ApiKey.objects.get()
    assert re.fullmatch(r"hw_[0-9a-f]{64}", answer["key"])
    assert answer["key"].startswith(answer["prefix"])
    assert (key.prefix, key.label, key.user) == (answer["prefix"], "Script", user)
    assert answer["key"] not in str(ApiKey.objects.values().get())
    assert answer["key"] not in str(list(AuditEntry.objects.values()))


def test_a_key_opens_until_it_is_revoked_or_expired() -> None:
    user = world.customer()
    plain = run("create_api_key", user.email)["key"]
    found = look_up_api_key(plain)
    assert found is not None
    assert found.user == user
    for nothing in ("", "hw_", plain[:-1], plain + "0", plain.upper(), "x" * 5000, "\ud800"):
        assert look_up_api_key(nothing) is None

    ApiKey.objects.update(expires_at="2020-01-01T00:00Z")
    assert look_up_api_key(plain) is None
    ApiKey.objects.update(expires_at=None)
    assert look_up_api_key(plain) == found
    assert revoke_api_key(found)
    assert not revoke_api_key(found)
    assert look_up_api_key(plain) is None


def test_a_correction_is_a_transfer_with_a_reason_and_an_audit_entry() -> None:
    user = world.customer()
    answer = run("adjust_balance", user.email, "-2.5", "--reason", "Double  deposit")
    assert answer["balance"] == "97.500000"
    moved = Transfer.objects.get(pk=answer["id"])
    assert (moved.amount, moved.note, moved.actor) == (Decimal("2.5"), "Double deposit", "command line")
    entry = AuditEntry.objects.get(verb="balance.adjust")
    assert (entry.subject, entry.details["amount"]) == (f"user:{user.pk}", "-2.5")
    world.sane()


def test_every_command_speaks_to_people_too() -> None:
    for words in (
        ["create_customer", "new@example.org", "--password", "p"],
        ["create_staff", "staff@example.org", "--password", "p", "--role", "admin"],
        ["adjust_balance", "new@example.org", "5", "--reason", "A gift"],
        ["create_api_key", "new@example.org"],
    ):
        output = StringIO()
        call_command(*words, stdout=output)
        assert output.getvalue().strip()
        assert not output.getvalue().startswith("{")
