"""Alerts: raised once per key while open, counted up when repeated, closed when the cause has gone."""

from decimal import Decimal

from django.db import connection
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.audit import actor_name, record
from customers.models import User
from providers.models import Alert

ZERO = Decimal("0")
WATCHED = "watch:"
"""How the keys of alerts begin that stand for a state: they are open while it lasts, and nobody closes them by hand."""


class ClosesByItself(Exception):
    """Nothing changed: it stands for a state, and is over when that is."""


def raise_alert(
    key: str,
    text: str,
    *,
    level: str = Alert.Level.WARNING,
    provider_id: int | None = None,
    order_number: int | None = None,
    at_risk: Decimal = ZERO,
    times: int = 1,
) -> None:
    """Open the alert `key`, or count it up by `times` where it is open. One statement, safe from any thread."""
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO providers_alert (key, level, text, provider_id, order_number, at_risk, count, opened_at, last_at, closed_by)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, '')
            ON CONFLICT (key) WHERE closed_at IS NULL
            DO UPDATE SET count = providers_alert.count + excluded.count, last_at = excluded.last_at, text = excluded.text, at_risk = excluded.at_risk
            """,
            [key[:160], level, text[:400], provider_id, order_number, at_risk, times, now, now],
        )


def keep_alert(
    key: str,
    text: str,
    *,
    level: str = Alert.Level.WARNING,
    provider_id: int | None = None,
    at_risk: Decimal = ZERO,
) -> None:
    """As raise_alert, for what is looked at again and again: seeing it once more is no news and is not counted."""
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO providers_alert (key, level, text, provider_id, at_risk, count, opened_at, last_at, closed_by)
            VALUES (%s, %s, %s, %s, %s, 1, %s, %s, '')
            ON CONFLICT (key) WHERE closed_at IS NULL
            DO UPDATE SET last_at = excluded.last_at, text = excluded.text, at_risk = excluded.at_risk, level = excluded.level
            """,
            [key[:160], level, text[:400], provider_id, at_risk, now, now],
        )


def close_alert(key: str, *, by: str = "system") -> bool:
    """Close the alert where it is open; True if it was."""
    return Alert.objects.filter(key=key, closed_at=None).update(closed_at=timezone.now(), closed_by=by) > 0


def close_by_hand(alert: Alert, *, by: User | None = None, request: HttpRequest | None = None) -> bool:
    """Close an alert that somebody has dealt with; False if it was closed already. Raises ClosesByItself."""
    if alert.key.startswith(WATCHED):
        raise ClosesByItself(_("This one closes by itself when its cause has gone."))
    if alert.closed_at is not None or not close_alert(alert.key, by=actor_name(by)):
        return False
    record(by, "alert.close", alert, f"Alert closed: {alert.text}", {"key": alert.key}, request)
    return True
