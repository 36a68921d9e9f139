"""Whether a provider can be reached: what the runs of its lanes met, and when that is an outage.

    a run      is answered as soon as one of its calls was (a refusal is an answer, unless it says "too many requests");
               failed if none was: no connection, no name, a bad certificate, no answer in time, a server's error, a page
               instead of data. A doubtful answer to an order says nothing here: it is the breaker's (providers.breaker).
    an outage  begins with FAILS failed runs in a row, the last at least LASTS after the first: of all the provider's
               lanes together where none was answered meanwhile, or of one lane alone where others are.
    it ends    with the first run that is answered: any lane's; for a lane that failed alone, its own, or when it has
               nothing to do any more.

Kept on the lane's row and written with the statement that gives the lane back. So a call that works costs nothing, and
one that does not costs a query at most.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from providers.adapters.errors import ProviderError
from providers.models import Lane, Provider

FAILS = 3
LASTS = timedelta(minutes=5)
SENDING = (Lane.Kind.SUBMIT, Lane.Kind.REQUESTS)

# Reasons of providers.adapters.errors after which waiting does not help.
OURS_TO_MEND = frozenset(
    {"address", "certificate", "redirect", "challenge", "not_json", "wrong_url", "forbidden", "unexpected"}
)
UNREACHED = frozenset({"address", "dns", "connect", "tls", "certificate", "deadline", "lost"})

FAILING = {
    Lane.Kind.SUBMIT: gettext_lazy("orders cannot be sent"),
    Lane.Kind.STATUS: gettext_lazy("statuses cannot be read"),
    Lane.Kind.REQUESTS: gettext_lazy("refill and cancel requests cannot be sent"),
    Lane.Kind.REFILLS: gettext_lazy("refills cannot be followed"),
    Lane.Kind.CATALOG: gettext_lazy("the catalog cannot be read"),
    Lane.Kind.BALANCE: gettext_lazy("the balance cannot be read"),
}


# ── after each run of a lane ────────────────────────────────────────────────────────────────────────


def after_run(lane: Lane, *, heard: bool, fault: ProviderError | None) -> dict[str, Any]:
    """What to write on the lane's row; nothing where nothing was asked. Its holder is the only writer."""
    now = timezone.now()
    if heard:
        return {
            "answered_at": now,
            "fails": 0,
            "fails_since": None,
            "failed_at": None,
            "fails_alone": False,
            "fails_reason": "",
            "fails_message": "",
        }
    if fault is None:
        return {}
    told = {"failed_at": now, "fails_reason": fault.reason[:40], "fails_message": fault.message[:200]}
    if lane.fails and not lane.fails_alone and _others_answered(lane):
        # What failed until then is explained by what all of it met; from here on it fails by itself.
        return told | {"fails": 1, "fails_since": now, "fails_alone": True}
    return told | {"fails": lane.fails + 1, "fails_since": lane.fails_since or now}


def _others_answered(lane: Lane) -> bool:
    others = Lane.objects.filter(provider_id=lane.provider_id, answered_at__gt=lane.failed_at)
    return others.exclude(pk=lane.pk).exists()


# ── what is out now ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Outage:
    """One provider's. `kinds`: the work that fails. `whole`: nothing of it was answered since `since`."""

    provider: Provider
    since: datetime
    kinds: tuple[str, ...]
    whole: bool
    reason: str
    message: str

    @property
    def stops_sending(self) -> bool:
        return self.whole or Lane.Kind.SUBMIT in self.kinds

    @property
    def stops_statuses(self) -> bool:
        return self.whole or Lane.Kind.STATUS in self.kinds

    @property
    def title(self) -> str:
        """What is wrong, since when, and what the calls met."""
        values = {"name": self.provider.name, "since": f"{self.since.astimezone(UTC):%d %b, %H:%M} UTC"}
        if not self.whole:
            what = ", ".join(str(FAILING[Lane.Kind(kind)]) for kind in self.kinds)
            said = _("%(name)s answers, but since %(since)s %(what)s.") % (values | {"what": what})
        elif self.reason in UNREACHED:
            said = _("%(name)s cannot be reached since %(since)s.") % values
        else:
            said = _("%(name)s gives no usable answer since %(since)s.") % values
        return f"{said} {self.message}"

    @property
    def advice(self) -> str:
        if self.reason in OURS_TO_MEND:
            return _("Check its address and key on its page, or ask the provider what changed.")
        if self.reason == "refused":  # of the refusals only "too many requests" counts
            return _("Lower its calls per minute on its page.")
        if self.stops_sending:
            return _(
                "It is asked again all the time. If it lasts, ask the provider, or give its services another route."
            )
        return _("It is asked again all the time. If it lasts, ask the provider.")


def outages(provider_ids: Iterable[int] | None = None) -> Mapping[int, Outage]:
    """By provider id, of those that can be asked. One query; one more where a lane fails alone."""
    failing = Lane.objects.filter(provider=OuterRef("pk"), fails__gt=0)
    rows = Provider.objects.filter(Exists(failing), archived_at=None).exclude(adapter="manual")
    if provider_ids is not None:
        rows = rows.filter(pk__in=list(provider_ids))
    lanes: dict[int, list[Lane]] = {}
    of_these = Lane.objects.filter(provider__in=rows.exclude(key="")).select_related("provider")
    for lane in of_these.defer("provider__key").order_by("provider_id", "kind"):
        lanes.setdefault(lane.provider_id, []).append(lane)
    alone = [lane for of_one in lanes.values() for lane in of_one if lane.fails_alone]
    idle = _with_nothing_to_do(alone) if alone else set()
    found = ((pk, _outage(of_one, idle)) for pk, of_one in lanes.items())
    return {pk: outage for pk, outage in found if outage is not None}


def _outage(lanes: list[Lane], idle: set[int]) -> Outage | None:
    heard = max((lane.answered_at for lane in lanes if lane.answered_at), default=None)
    failing = [lane for lane in lanes if lane.fails and lane.fails_since and lane.failed_at]
    together = [lane for lane in failing if not lane.fails_alone and (heard is None or _last(lane) > heard)]
    if _is_outage(together):
        return _told(together, whole=True)
    alone = [lane for lane in failing if lane.fails_alone and lane.pk not in idle and _is_outage([lane])]
    return _told(alone, whole=False) if alone else None


def _is_outage(lanes: list[Lane]) -> bool:
    if sum(lane.fails for lane in lanes) < FAILS:
        return False
    return max(map(_last, lanes)) - min(map(_first, lanes)) >= LASTS


def _told(lanes: list[Lane], *, whole: bool) -> Outage:
    newest = max(lanes, key=_last)
    return Outage(
        provider=newest.provider,
        since=min(map(_first, lanes)),
        kinds=tuple(
            lane.kind for lane in sorted(lanes, key=lambda lane: list(FAILING).index(Lane.Kind(lane.kind)))
        ),
        whole=whole,
        reason=newest.fails_reason,
        message=newest.fails_message,
    )


def _first(lane: Lane) -> datetime:
    return lane.fails_since or timezone.now()


def _last(lane: Lane) -> datetime:
    return lane.failed_at or timezone.now()


def _with_nothing_to_do(lanes: list[Lane]) -> set[int]:
    """Ids of lanes that will not be run again as it is: their last failure says nothing about now."""
    of_provider = Provider.objects.filter(pk=OuterRef("provider_id"))
    accepted = Q(submissions__state="accepted")
    asked = accepted & Q(submissions__order__requests__state__in=["approved", "claimed", "sending"])
    refills = Q(submissions__order__requests__kind="refill", submissions__order__requests__state="accepted")
    busy = (
        Q(kind__in=[Lane.Kind.BALANCE, Lane.Kind.CATALOG])
        | Q(Exists(of_provider.filter(submissions__state="queued")), kind=Lane.Kind.SUBMIT)
        | Q(
            Exists(of_provider.filter(accepted, submissions__next_poll_at__isnull=False)),
            kind=Lane.Kind.STATUS,
        )
        | Q(Exists(of_provider.filter(asked)), kind=Lane.Kind.REQUESTS)
        | Q(Exists(of_provider.filter(accepted & refills)), kind=Lane.Kind.REFILLS)
    )
    return set(
        Lane.objects.filter(pk__in=[lane.pk for lane in lanes]).exclude(busy).values_list("pk", flat=True)
    )
