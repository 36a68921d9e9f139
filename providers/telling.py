"""Telling operators about alerts: once when one opens, once when it is over, through every channel that is set up.

    1. plan   write what is to be told as rows, each at most once (a constraint): any clock may do it, any number of times
    2. claim  one row, or for mail and chat all that are due: a conditional UPDATE, so that two workers never tell twice
    3. send   outside of any transaction (providers/channels.py)
    4. write down that it was told, or when to try again; after the last try it stays undone, and the page says so;
               what fails unexpectedly is tried as often, and no longer with others

An alert that opens again within an hour of its end is told only if it lasts: what flaps would tell all night.
An alert that was over before it could be told is not told at all. Where a try may have arrived although it failed, or
never came back, its end is told: somebody may sit over it.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from customers import site_settings
from customers.site_settings import SiteSettings
from providers import channels
from providers.channels import NotTold, channels_of
from providers.models import Alert, Telling

log = logging.getLogger(__name__)
SETTINGS = (
    "site_name",
    "notice_emails",
    "notice_level",
    "hook_address",
    "hook_secret",
    "chat_address",
    "chat_id",
)
FLAPS_WITHIN, HAS_TO_LAST = timedelta(hours=1), timedelta(minutes=10)
NEWS_FOR = timedelta(days=1)  # an end that nobody could be told of for so long is no news
LEASE = timedelta(minutes=2)  # longer than any channel's deadline
RETRY_AFTER = [timedelta(minutes=minutes) for minutes in (1, 3, 10, 30, 60, 120, 240, 480)]
MOST_IN_ONE, MOST_AT_ONCE = 20, 100
OUR_FAULT = "Something failed on our side"
OPENED, OVER = Telling.What.OPENED, Telling.What.OVER


def told_levels(site: SiteSettings) -> list[str]:
    critical = [str(Alert.Level.CRITICAL)]
    return critical if site.notice_level == "critical" else [*critical, str(Alert.Level.WARNING)]


def plan(now: datetime | None = None) -> int:
    """Write the rows of what is to be told now; returns how many are due. Constant queries, safe from anywhere."""
    now = now or timezone.now()
    site = site_settings.load(SETTINGS)
    Telling.objects.filter(what=OPENED, next_at__isnull=False, alert__closed_at__isnull=False).filter(
        Q(claimed_until=None) | Q(claimed_until__lt=now)
    ).update(next_at=None)
    rows: list[Telling] = []
    for channel in channels_of(site):
        of_channel = Telling.objects.filter(alert=OuterRef("pk"), channel=channel)
        lately = Alert.objects.filter(
            key=OuterRef("key"),
            closed_at__lte=OuterRef("opened_at"),
            closed_at__gt=OuterRef("opened_at") - FLAPS_WITHIN,
        )
        news = Alert.objects.filter(~Exists(of_channel), closed_at=None, level__in=told_levels(site))
        rows += [
            Telling(
                alert=alert,
                channel=channel,
                what=OPENED,
                next_at=alert.opened_at + HAS_TO_LAST if flaps else now,
            )
            for alert, flaps in ((alert, alert.flaps) for alert in news.annotate(flaps=Exists(lately)))
        ]
        may_know = Q(told_at__isnull=False) | Q(may_have_arrived=True, next_at=None)
        ended = Alert.objects.filter(
            Exists(of_channel.filter(may_know, what=OPENED)),
            ~Exists(of_channel.filter(what=OVER)),
            closed_at__gt=now - NEWS_FOR,
        )
        rows += [Telling(alert=alert, channel=channel, what=OVER, next_at=now) for alert in ended]
    Telling.objects.bulk_create(rows, ignore_conflicts=True)
    return _due(now).count()


def tell_due(now: datetime | None = None) -> int:
    """Send what is due through the channels that are set up; how many alerts were told."""
    now = now or timezone.now()
    site = site_settings.load(SETTINGS)
    set_up = channels_of(site)
    _give_up(now)
    by_channel: dict[str, list[Telling]] = defaultdict(list)
    for telling in _due(now).filter(channel__in=set_up).select_related("alert__provider")[:MOST_AT_ONCE]:
        by_channel[telling.channel].append(telling)
    told = 0
    for channel, waiting in by_channel.items():
        # What failed on our side goes alone from then on, so that one odd alert does not silence the others.
        alone = [row for row in waiting if row.failure.startswith(OUR_FAULT)]
        others = [row for row in waiting if not row.failure.startswith(OUR_FAULT)]
        size = 1 if channel == Telling.Channel.HOOK else MOST_IN_ONE
        batches = [others[at : at + size] for at in range(0, len(others), size)]
        for batch in [*batches, *([row] for row in alone)]:
            told += _tell(channel, site, batch, now)
    return told


def _due(now: datetime) -> Any:
    free = Q(claimed_until=None) | Q(claimed_until__lt=now)
    return Telling.objects.filter(free, next_at__lte=now).order_by("pk")


def _tell(channel: str, site: SiteSettings, waiting: Sequence[Telling], now: datetime) -> int:
    mine = [telling for telling in waiting if _claim(telling, now)]
    if not mine:
        return 0
    rows = Telling.objects.filter(pk__in=[telling.pk for telling in mine])
    try:
        channels.send(
            channel, site, [event_of(telling.alert, telling.what, site, telling.pk) for telling in mine]
        )
    except NotTold as error:
        log.warning("operators_not_told", extra={"channel": channel, "why": str(error), "alerts": len(mine)})
        return _not_told(mine, str(error), now, may_have=error.may_have)
    except (
        Exception
    ) as error:  # a mistake of ours or an answer nobody thought of: it has no tries without end
        log.exception("operators_not_told", extra={"channel": channel, "alerts": len(mine)})
        return _not_told(mine, unexpected(error), now, may_have=True)
    rows.update(told_at=timezone.now(), next_at=None, claimed_until=None, failure="")
    return len(mine)


def _not_told(mine: Sequence[Telling], why: str, now: datetime, *, may_have: bool) -> int:
    for telling in mine:  # as they were before they were claimed
        Telling.objects.filter(pk=telling.pk).update(
            claimed_until=None,
            failure=why[:200],
            next_at=_again(telling.attempts + 1, now),
            may_have_arrived=telling.may_have_arrived or may_have,
        )
    return 0


def unexpected(error: Exception) -> str:
    """What the page says of a failure that is not the channel's; the log has all of it."""
    return f"{OUR_FAULT} ({type(error).__name__}); the log has the details."


def _give_up(now: datetime) -> None:
    """Rows whose last try never came back: the process that held them ended, and might each time."""
    spent = Telling.objects.filter(attempts__gt=len(RETRY_AFTER), next_at__isnull=False)
    spent.filter(Q(claimed_until=None) | Q(claimed_until__lt=now)).update(
        next_at=None, claimed_until=None, failure=f"{OUR_FAULT}: the last try did not come back."
    )


def _claim(telling: Telling, now: datetime) -> bool:
    free = Q(claimed_until=None) | Q(claimed_until__lt=now)
    row = Telling.objects.filter(free, pk=telling.pk, next_at__lte=now)
    # From here on it may arrive, also where the process ends before it can say so.
    return bool(
        row.update(claimed_until=timezone.now() + LEASE, attempts=F("attempts") + 1, may_have_arrived=True)
    )


def _again(attempts: int, now: datetime) -> datetime | None:
    """When to try after so many attempts; None: no more."""
    return now + RETRY_AFTER[attempts - 1] if attempts <= len(RETRY_AFTER) else None


def event_of(alert: Alert, what: str, site: SiteSettings, number: int) -> dict[str, Any]:
    """What every channel gets. `id` names this telling; times are UTC; `at_risk` is in `currency`."""
    over = what == OVER
    ended = f"Closed by {alert.closed_by}" if "@" in alert.closed_by else "Over"
    word = ended if over else str(Alert.Level(alert.level).label)
    return {
        "id": number,
        "event": what,
        "title": f"{word}: {_named(alert)}",
        "text": _said(alert, over=over),
        "key": alert.key,
        "level": alert.level,
        "provider": alert.provider.name if alert.provider else None,
        "order": alert.order_number,
        "at_risk": f"{alert.at_risk:.2f}",
        "currency": settings.CURRENCY,
        "opened_at": alert.opened_at.isoformat(),
        "closed_at": alert.closed_at.isoformat() if alert.closed_at else None,
        "site": site.site_name,
        "link": f"{settings.SITE_URL}/manage/alerts",
    }


def _named(alert: Alert) -> str:
    """The alert's text; where it does not say which provider it is about, that before it."""
    name = alert.provider.name if alert.provider else ""
    return alert.text if name in alert.text else f"{name}: {alert.text}"


def _said(alert: Alert, *, over: bool) -> str:
    since = f"Since {alert.opened_at:%d %b %Y, %H:%M} UTC"
    if over and alert.closed_at:
        return f"{since}, until {alert.closed_at:%d %b, %H:%M} UTC."
    return f"{since}. {alert.at_risk:.2f} {settings.CURRENCY} at risk." if alert.at_risk else f"{since}."


def test_event(site: SiteSettings) -> dict[str, Any]:
    """What the button "Send a test" sends: nothing is wrong, and it says so."""
    now = timezone.now()
    alert = Alert(
        key="test", level=Alert.Level.NOTICE, text="This is a test. Nothing is wrong.", opened_at=now
    )
    return event_of(alert, "test", site, 0)


def send_tests(site: SiteSettings) -> list[tuple[str, str]]:
    """One test through each channel that is set up: (channel, why it failed or "")."""
    results = []
    for channel in channels_of(site):
        try:
            channels.send(channel, site, [test_event(site)])
        except NotTold as error:
            results.append((channel, str(error)))
        except Exception as error:
            log.exception("operators_not_told", extra={"channel": channel, "test": True})
            results.append((channel, unexpected(error)))
        else:
            results.append((channel, ""))
    return results
