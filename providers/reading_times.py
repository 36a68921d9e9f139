"""Which providers' balance or catalog is due to be read, by their options (`balance_every_s`, `catalog_every_s`).

Counted from the end of the last reading, whoever asked for it and whether it worked: a provider that fails is not
asked more often than one that answers.
"""

from datetime import datetime, timedelta

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone

from providers.connecting import options_of
from providers.models import Lane, Provider

EVERY = {Lane.Kind.BALANCE: "balance_every_s", Lane.Kind.CATALOG: "catalog_every_s"}
AGAIN = timedelta(minutes=5)  # between readings that refused orders ask for; providers allow some ten an hour
EARLY = timedelta(seconds=10)  # the clock's own pause must not turn 300 s into 330


def readable() -> QuerySet[Provider]:
    """All that can be asked. Paused ones too: reading goes on, and a pause for lack of funds ends by it."""
    return Provider.objects.filter(archived_at=None).exclude(adapter="manual").exclude(key="")


def due(kind: Lane.Kind, now: datetime | None = None, *, only: int | None = None) -> list[int]:
    """Ids of the providers to read now, the one waiting longest first; one query. `only`: this one, if it is due."""
    now = now or timezone.now()
    ran = Lane.objects.filter(provider=OuterRef("pk"), kind=kind).values("ran_at")
    rows = readable().defer("key")
    if only is not None:
        rows = rows.filter(pk=only)
    found = []
    for provider in rows.annotate(ran_at=Subquery(ran)):
        pause = timedelta(seconds=options_of(provider)[EVERY[kind]])
        last: datetime | None = provider.ran_at
        if last is None or last + pause - EARLY <= now:
            found.append((last or datetime.min.replace(tzinfo=now.tzinfo), provider.pk))
    return [pk for _last, pk in sorted(found)]


def may_read_again(kind: Lane.Kind, provider_id: int) -> bool:
    """Whether a provider may be read before its time, because what we know of it was wrong."""
    lately = Lane.objects.filter(provider=provider_id, kind=kind, ran_at__gt=timezone.now() - AGAIN)
    return readable().filter(pk=provider_id).exists() and not lately.exists()
