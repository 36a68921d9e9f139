"""Running the ledger check so that somebody hears of it: the result is kept for the page, drift opens an alert."""

from datetime import datetime
from typing import Any

from django.db.models.functions import Now

from customers.models import Heartbeat
from orders.ledger_check import TALLY, Report, check_ledger
from orders.tally_check import make_anew
from providers.alerts import close_alert, raise_alert
from providers.models import Alert

NAME, KIND = "ledger check", "check"


def check_and_tell(since: datetime | None = None) -> Report:
    """Check what changed since `since` (None: all). Only a clean check of all ends the alert about drift.

    Tallies that differ from the ledger are not believed from now on, and made anew by the next run of tally().
    """
    report = check_ledger(since)
    if any(row["invariant"] == TALLY for row in report.broken):
        make_anew(since)
    Heartbeat.objects.update_or_create(
        name=NAME,
        defaults={"kind": KIND, "at": Now(), "details": report.as_json() | {"whole": since is None}},
    )
    if report.broken:
        first = report.broken[0]
        raise_alert(
            "drift:ledger",
            f"The ledger check found {len(report.broken)} broken rows: {first['says']} ({first['id']}).",
            level=Alert.Level.CRITICAL,
        )
    elif since is None:
        close_alert("drift:ledger")
    return report


def last_check() -> tuple[datetime, dict[str, Any]] | None:
    """When the ledger was last checked, and what the check said (as check_ledger --json, and `whole`)."""
    kept = Heartbeat.objects.filter(name=NAME).first()
    return (kept.at, kept.details) if kept else None
