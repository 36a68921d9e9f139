"""The demo: people of every role, a customer with money, the sandbox provider with its services on sale.

Running it again changes nothing that exists, but for the sandbox's address. Passwords are random; they and the
second factors' secrets are kept in demo-logins.json of the state folder, readable by its owner only.
"""

import json
import os
import secrets
from decimal import Decimal
from pathlib import Path
from typing import Any

from allauth.mfa.totp.internal.auth import generate_totp_secret
from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from customers import site_settings, wallet
from customers.enrolling import create_customer, create_staff, enrol_totp
from customers.management.command_line import Command as Base
from customers.models import User
from providers.balances import read_balance
from providers.catalog import sync_catalog
from providers.connecting import InvalidProvider, add_provider, change_connection
from providers.models import MarkupRule, Provider, Service
from providers.publishing import publish

NAME = "Sandbox"
MARKUP = Decimal(25)
FIRST_DEPOSIT = Decimal(500)
PEOPLE = {
    "customer": ("customer@demo.example", "Casey Miller"),
    "reviewer": ("reviewer@demo.example", "Robin Vale"),
    "admin": ("admin@demo.example", "Alex Hart"),
    "superuser": ("superuser@demo.example", "Sam Reed"),
}
Login = dict[str, str]


class Command(Base):
    help = "Load the demo: logins, the sandbox provider, its services at a markup of 25 %."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--sandbox-url", required=True, help="API address of the sandbox provider")
        parser.add_argument("--sandbox-key", required=True)
        parser.add_argument(
            "--logins-file", type=Path, help="also write the logins there, as text for people"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        kept = Path(settings.STATE_DIR) / "demo-logins.json"
        with transaction.atomic():
            logins = people(_read(kept))
            _write(kept, json.dumps(logins, indent=1))
        if options["logins_file"]:
            _write(options["logins_file"], as_text(logins))
        try:
            provider = sandbox(options["sandbox_url"], options["sandbox_key"])
        except InvalidProvider as error:
            raise CommandError(str(error)) from None
        synced = sync_catalog(provider, apply=True)
        if synced.failed:
            raise CommandError(f"The sandbox's services could not be read: {synced.error}")
        read_balance(provider)
        _ways_to_pay()
        _everything_else_rule()
        # Only once: what an admin took off sale later stays off sale.
        first = not Service.objects.filter(routes__offer__provider=provider).exists()
        published = len(publish(provider).services) if first else 0
        answer = {"provider": provider.pk, "published": published, "logins": str(kept)}
        self.say(answer, f"{published} services published.\n{as_text(logins)}")


def _ways_to_pay() -> None:
    """One, so that adding funds can be tried; what an admin has set stays."""
    if site_settings.load().deposit_methods:
        return
    method = {
        "name": "Bank transfer",
        "note": "1 to 2 working days, no fee",
        "instructions": "This is a demo: no money is moved. Enter any reference, then credit the payment as admin\n"
        "under Payments and ledger.",
        "minimum": "5",
        "maximum": "5000",
    }
    site_settings.change({"deposit_methods": [method]})


def people(known: dict[str, Login]) -> dict[str, Login]:
    """The demo's people; those whose login is not known any more get a new password and second factor."""
    logins = {}
    for role, (email, name) in PEOPLE.items():
        login = known.get(role)
        if login is None or not User.objects.filter(email=email).exists():
            login = _enrol(role, email, name)
        logins[role] = login
    customer = User.objects.get(email=PEOPLE["customer"][0])
    wallet.deposit(customer, FIRST_DEPOSIT, f"deposit:demo-{customer.pk}", "Demo money", "demo")
    return logins


def _enrol(role: str, email: str, name: str) -> Login:
    login = {"email": email, "password": secrets.token_urlsafe(12)}
    if role != "customer":
        login["totp_secret"] = generate_totp_secret()
    user = User.objects.filter(email=email).first()
    if user is not None:
        user.set_password(login["password"])
        user.save(update_fields=["password"])
        if role != "customer":
            enrol_totp(user, login["totp_secret"])
    elif role == "customer":
        create_customer(email, login["password"], name=name)
    else:
        create_staff(email, login["password"], role, totp_secret=login["totp_secret"], name=name)
    return login


def sandbox(url: str, key: str) -> Provider:
    provider = Provider.objects.filter(name=NAME).first()
    if provider is None:
        return add_provider(NAME, url, key)
    if provider.api_url != url:
        change_connection(provider, api_url=url, key=key)
    return provider


def _everything_else_rule() -> None:
    scope = MarkupRule.Scope.EVERYTHING
    if not MarkupRule.objects.filter(scope=scope, price_group=None).exists():
        MarkupRule.objects.create(scope=scope, percent=MARKUP, note="Everything that no other rule prices")


def as_text(logins: dict[str, Login]) -> str:
    lines = ["Demo logins (one-time codes of staff: ./manage demo_codes)"]
    for role, login in logins.items():
        secret = f"  authenticator secret {login['totp_secret']}" if "totp_secret" in login else ""
        lines.append(f"{role.capitalize():<10} {login['email']}  password {login['password']}{secret}")
    return "\n".join(lines) + "\n"


def _read(path: Path) -> dict[str, Login]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: Path, text: str) -> None:
    """A new file beside the old one, never readable by others, then moved over it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)
