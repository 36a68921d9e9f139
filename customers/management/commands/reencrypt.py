from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from customers.management.command_line import Command as Base
from customers.reencrypting import reencrypt_all


class Command(Base):
    help = "Write every stored secret anew under the first of FIELD_KEYS; afterwards the other keys may go."

    def handle(self, *args: Any, **options: Any) -> None:
        done = reencrypt_all()
        answer = {"renewed": done.renewed, "already": done.already, "unreadable": done.unreadable}
        more = len(settings.FIELD_KEYS) - 1
        after = "" if not more or done.unreadable else " FIELD_KEYS may be cut down to its first key now."
        self.say(answer, f"{done.renewed} secrets written anew, {done.already} were already.{after}")
        if done.unreadable:
            shown = ", ".join(done.unreadable[:10])
            raise CommandError(
                f"{len(done.unreadable)} secrets are opened by none of FIELD_KEYS and stay as they are: {shown}."
                " Keep the keys that you have; add the one that wrote them, or type these secrets again."
            )
