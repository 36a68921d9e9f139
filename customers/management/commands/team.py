from collections.abc import Mapping
from smtplib import SMTPException
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.models import Q

from customers.enrolling import CannotEnrol
from customers.management.command_line import Command as Base
from customers.management.command_line import find_user
from customers.models import User
from customers.permissions import role_of
from customers.team import ROLES, CannotChange, change_role, invite, send_link, switch

MEMBERS = Q(role__in=ROLES) | Q(is_superuser=True)


class Command(Base):
    help = "Who works here: invite by e-mail, change a role, deactivate and let in again. Without an act: lists them."
    verb = "team.change"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "act", nargs="?", choices=["invite", "role", "deactivate", "activate", "link"],
            help="link: mail the link to set a password once more",
        )  # fmt: skip
        parser.add_argument("email", nargs="?")
        parser.add_argument(
            "role", nargs="?", help="with invite and role: reviewer, admin; role: also customer"
        )
        parser.add_argument("--name", default="", help="with invite")

    def verb_of(self, options: Mapping[str, Any]) -> str:
        return {None: "team.see", "invite": "team.invite"}.get(options.get("act"), self.verb)

    def handle(self, *args: Any, **options: Any) -> None:
        act, email, role = options["act"], options["email"], options["role"] or ""
        if act is None:
            for member in User.objects.filter(MEMBERS).order_by("-is_active", "role", "email"):
                self._show(member)
            return
        if not email:
            raise CommandError("Name the person by e-mail.")
        if act in ("invite", "role") and not role:
            raise CommandError("Say which role: reviewer or admin.")
        try:
            user = self._do(act, email, role, options["name"])
        except (CannotEnrol, CannotChange) as error:
            raise CommandError(str(error)) from None
        except (SMTPException, OSError) as error:
            raise CommandError(
                f"The mail server did not take the mail ({type(error).__name__}). The account is there: once mail works,"
                f" run `team link {email}`."
            ) from None
        user.refresh_from_db()
        self._show(user)

    def _do(self, act: str, email: str, role: str, name: str) -> User:
        if act == "invite":
            return invite(email, name, role, by=self.by)
        user = find_user(email)
        if not User.objects.filter(MEMBERS, pk=user.pk).exists():
            raise CommandError(f"{user.email} is not on the team.")
        if act == "role":
            change_role(user, role, by=self.by)
        elif act == "link":
            send_link(user, by=self.by)
        else:
            switch(user, act == "activate", by=self.by)
        return user

    def _show(self, user: User) -> None:
        role = "superuser" if user.is_superuser else str(user.role)
        works = bool(role_of(user))
        answer = {
            "id": user.pk,
            "email": user.email,
            "name": user.name,
            "role": role,
            "active": user.is_active,
        }
        note = "" if works else "  not on the team" if user.is_active else "  deactivated"
        self.say(answer, f"{user.pk}  {user.email}  {role}{note}")
