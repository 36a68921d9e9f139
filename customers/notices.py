"""Mail by choice: which notices a customer wants, writing one, sending what waits.

Nothing here is called inside a transaction that moves money: notices are made from what was committed
(orders/notices.py) and sent by a worker. A notice is unique per customer and key, and is claimed before it is handed
to the mail server: a crash in between loses that mail, and no mail is ever sent twice.
"""

import logging
import smtplib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _

from customers import site_settings
from customers.models import Notice, User

log = logging.getLogger(__name__)
LOW_BALANCE_DEFAULT = Decimal("5.00")
KEPT_FOR = timedelta(days=30)
SENT_AT_ONCE = 200
# After these the mail server has surely not taken the mail: it may be tried again.
NOT_TAKEN = (ConnectionRefusedError, smtplib.SMTPConnectError, smtplib.SMTPServerDisconnected, TimeoutError)


@dataclass(frozen=True)
class Kind:
    name: str
    label: Any
    help: Any
    default: bool


KINDS = (
    Kind("finished", _("An order was completed"), _("Several orders at a time share one mail."), False),
    Kind(
        "partial",
        _("An order ended before its full quantity"),
        _("With what was returned to your balance."),
        True,
    ),
    Kind(
        "refund", _("Money was returned"), _("After a cancel, or when an order could not be delivered."), True
    ),
    Kind(
        "request",
        _("A refill or cancel request was decided"),
        _("Whether it was approved, and the answer of our staff."),
        True,
    ),
    Kind("low_balance", _("The balance is low"), _("Once, until you add funds again."), True),
)
DEFAULTS = {kind.name: kind.default for kind in KINDS}


def wants(user: User, kind: str) -> bool:
    """Whether the customer chose this notice, or left it at its default."""
    return user.is_active and bool(user.notices.get(kind, DEFAULTS[kind]))


def low_below(user: User) -> Decimal | None:
    """The balance below which it counts as low, panel currency; None: the customer does not want to know."""
    return low_mark(user) if wants(user, "low_balance") else None


def low_mark(user: User) -> Decimal:
    """The balance that he said is low, whether he wants to be told or not."""
    try:
        return Decimal(str(user.notices.get("low_balance_below", LOW_BALANCE_DEFAULT)))
    except InvalidOperation:
        return LOW_BALANCE_DEFAULT


def write_notices(notices: Iterable[tuple[User, str, str, dict[str, Any]]]) -> None:
    """Put mails of (user, key, template, context) into the out-tray; a key that a customer has already is left out.

    `template` names templates/notices/<template>_subject.txt and _message.txt.
    """
    site = site_settings.load()
    rows = []
    for user, key, template, context in notices:
        whole = {
            "user": user,
            "site": site,
            "site_name": site.site_name,
            "site_url": settings.SITE_URL,
        } | context
        with translation.override(user.language or settings.LANGUAGE_CODE):
            subject = " ".join(render_to_string(f"notices/{template}_subject.txt", whole).split())
            text = render_to_string(f"notices/{template}_message.txt", whole).strip() + "\n"
        rows.append(Notice(user=user, key=key, subject=f"{site.site_name}: {subject}"[:200], text=text))
    Notice.objects.bulk_create(rows, ignore_conflicts=True)


def send_waiting() -> int:
    """Send what waits, oldest first, each claimed by one sender; how many went out."""
    sent = 0
    waiting = Notice.objects.filter(claimed_at=None).order_by("pk").select_related("user")[:SENT_AT_ONCE]
    with get_connection() as server:
        for notice in waiting:
            if not Notice.objects.filter(pk=notice.pk, claimed_at=None).update(claimed_at=timezone.now()):
                continue  # another worker has it
            mail = EmailMessage(notice.subject, notice.text, None, [notice.user.email], connection=server)
            try:
                mail.send()
            except NOT_TAKEN as error:
                Notice.objects.filter(pk=notice.pk).update(claimed_at=None, failure=str(error)[:200])
                log.warning("mail_server_away", extra={"error": type(error).__name__})
                break  # the others would fare no better; the next run tries again
            except (smtplib.SMTPException, OSError) as error:
                Notice.objects.filter(pk=notice.pk).update(failure=str(error)[:200])
                log.warning("notice_not_sent", extra={"notice": notice.pk, "error": type(error).__name__})
            else:
                Notice.objects.filter(pk=notice.pk).update(sent_at=timezone.now(), failure="")
                sent += 1
    return sent


def forget_old() -> None:
    """Mails of a month ago have told what they had to tell; unsent ones of that age would only confuse."""
    Notice.objects.filter(created_at__lt=timezone.now() - KEPT_FOR).delete()
