"""The demo's staff have a second factor like all staff; this saves a visitor the authenticator app."""

import json
import time
from pathlib import Path
from typing import Any

from allauth.mfa import app_settings
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.conf import settings
from django.core.management.base import CommandError

from customers.management.command_line import Command as Base


class Command(Base):
    help = "Print the present one-time codes of the demo's staff."

    def handle(self, *args: Any, **options: Any) -> None:
        path = Path(settings.STATE_DIR) / "demo-logins.json"
        try:
            logins = json.loads(path.read_text())
        except (OSError, ValueError):
            raise CommandError("There are no demo logins here; ./run without --no-demo makes them.") from None
        period = app_settings.TOTP_PERIOD
        left = period - int(time.time()) % period
        for login in logins.values():
            if secret := login.get("totp_secret"):
                code = format_hotp_value(hotp_value(secret, int(time.time()) // period))
                answer = {"email": login["email"], "code": code, "seconds_left": left}
                self.say(answer, f"{login['email']}  {code}  ({left} s left)")
