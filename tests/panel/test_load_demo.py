"""The demo that ./run loads on its first start."""

import json
import stat
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command

from customers.models import Account, User
from customers.wallet import balance_of
from providers.models import Provider, Service
from tests import world
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def load(sandbox: Sandbox, settings: Any, tmp_path: Path) -> Any:
    settings.PROVIDER_ALLOWED_PRIVATE = frozenset({sandbox.origin})
    settings.STATE_DIR = tmp_path

    def run(*more: str) -> str:
        output = StringIO()
        given = ["--sandbox-url", sandbox.url, "--sandbox-key", sandbox.key]
        call_command("load_demo", *given, *more, stdout=output)
        return output.getvalue()

    return run


def logins(folder: Path) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads((folder / "demo-logins.json").read_text())
    return found


def test_people_of_every_role_money_and_services_on_sale(load: Any, tmp_path: Path) -> None:
    text = tmp_path / "logins.txt"
    load("--logins-file", str(text))
    known = logins(tmp_path)
    assert set(known) == {"customer", "reviewer", "admin", "superuser"}
    for role, login in known.items():
        user = User.objects.get(email=login["email"])
        assert user.check_password(login["password"])
        assert Authenticator.objects.filter(user=user, type="totp").exists() == (role != "customer")
        assert login["password"] in text.read_text()
    for file in (text, tmp_path / "demo-logins.json"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert balance_of(User.objects.get(role="customer")) == 500
    assert Service.objects.filter(published=True, off_sale="").count() == 58
    assert Provider.objects.get().balance is not None
    customer = User.objects.get(role="customer")
    service = Service.objects.filter(service_type="default").order_by("rate")[0]
    world.order(customer, service, quantity=service.minimum)
    world.sane()


def test_loading_it_again_changes_nothing_but_the_address(load: Any, tmp_path: Path) -> None:
    load()
    before = logins(tmp_path)
    off = Service.objects.order_by("id")[0]
    Service.objects.filter(pk=off.pk).update(published=False)
    Provider.objects.update(api_url="http://127.0.0.1:1/api/v2", key="old-key")
    load()
    assert logins(tmp_path) == before
    assert User.objects.count() == 4
    assert Account.objects.get(user__role="customer", kind="wallet").balance == 500
    assert not Service.objects.get(pk=off.pk).published
    assert Provider.objects.get().key == "sandbox-key"


def test_lost_logins_are_made_anew(load: Any, tmp_path: Path) -> None:
    load()
    before = logins(tmp_path)
    (tmp_path / "demo-logins.json").unlink()
    load()
    after = logins(tmp_path)
    assert before["admin"]["email"] == after["admin"]["email"]
    assert before["admin"]["password"] != after["admin"]["password"]
    assert User.objects.get(email=after["admin"]["email"]).check_password(after["admin"]["password"])
    assert User.objects.count() == 4


def test_the_staffs_present_codes_can_be_printed(load: Any, settings: Any, tmp_path: Path) -> None:
    load()
    output = StringIO()
    call_command("demo_codes", "--json", stdout=output)
    codes = [json.loads(line) for line in output.getvalue().splitlines()]
    assert len(codes) == 3
    assert all(len(code["code"]) == 6 for code in codes)
    settings.STATE_DIR = tmp_path / "elsewhere"
    with pytest.raises(CommandError, match="no demo logins"):
        call_command("demo_codes")


def test_a_sandbox_that_does_not_answer_is_one_sentence(load: Any, sandbox: Sandbox) -> None:
    sandbox.stop()
    with pytest.raises(CommandError, match="could not be read"):
        load()
