"""Orders that wait where nothing can be sent take another route, a bounded number of them at a time.

    the provider is paused because our key or our balance there was refused   everything that waits there, at once
    its breaker is not closed                                                 what waits for TRY_ELSEWHERE_AFTER
    neither                                                                   what was tried and could not be sent, as long
    paused by hand                                                            nothing: whoever paused it decides

Which route, and whether one fits at all, is routing.other_route's to say. A pass looks at LOOKED_AT waiting orders of a
provider at most, from where the last pass ended (Provider.looked_from_*), and moves MOVED of them at most; so it costs
the same whether a hundred or a million wait, and those that no other route fits hide nobody behind them. Where it ended
is a hint: lost or doubled, an order is looked at earlier or later, and moved once, by a compare-and-set.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from orders.dispatch import went_back
from orders.models import Submission
from orders.routing import fitting_routes, other_route, take_route, takes_runs
from orders.settlement import lock_order
from providers.models import Provider

TRY_ELSEWHERE_AFTER = timedelta(minutes=10)
LOOKED_AT = 5000
MOVED = 100

Place = tuple[datetime, int]  # in the order in which a provider's waiting orders are due: next_at, order


@dataclass(frozen=True)
class _Stuck:
    """What of a provider's queue may be moved, and the sentence for the order's story."""

    which: Q
    why: str


def reroute_waiting() -> int:
    """One pass over the providers for which orders wait; returns how many orders were moved."""
    if went_back():
        return 0  # "queued" does not mean unsent then: it may have been sent by its present route already
    queued = Submission.objects.filter(provider=OuterRef("pk"), state=Submission.State.QUEUED)
    providers = Provider.objects.filter(Exists(queued), archived_at=None)
    waits_on = providers.exclude(pause_kind=Provider.Pause.BY_HAND).order_by("pk")
    return sum(_reroute_from(provider, _stuck(provider)) for provider in waits_on)


def _stuck(provider: Provider) -> _Stuck:
    if provider.paused_at:
        why = {
            Provider.Pause.AUTH: "the first provider does not accept our key",
            Provider.Pause.FUNDS: "our balance at the first provider was used up",
        }
        return _Stuck(Q(), why[Provider.Pause(provider.pause_kind)])
    long = Q(queued_since__lt=timezone.now() - TRY_ELSEWHERE_AFTER)
    if provider.breaker != Provider.Breaker.CLOSED:
        return _Stuck(long, "sending to the first provider is stopped after unclear answers")
    return _Stuck(long & Q(waits_for="not_sent"), "the first provider could not be reached")


def _reroute_from(provider: Provider, stuck: _Stuck) -> int:
    looked = _place(provider)
    window, edge = _window(provider.pk, looked)
    elsewhere = fitting_routes(
        OuterRef("order__service"), OuterRef("order__service__service_type"), OuterRef("order__quantity")
    ).exclude(offer=OuterRef("offer"))
    fits = Q(Exists(elsewhere), order__runs=None) | Q(Exists(elsewhere.filter(takes_runs())))
    found = list(window.filter(stuck.which).filter(fits).values_list("next_at", "pk")[:MOVED])
    moved = sum(_move(order_id, provider, stuck.why) for _next_at, order_id in found)
    ended = found[-1] if len(found) == MOVED else edge
    if ended != looked:
        next_at, order_id = ended or (None, None)
        Provider.objects.filter(pk=provider.pk).update(looked_from_at=next_at, looked_from_order=order_id)
    return moved


def _place(provider: Provider) -> Place | None:
    if provider.looked_from_at is None or provider.looked_from_order is None:
        return None
    return provider.looked_from_at, provider.looked_from_order


def _window(provider_id: int, after: Place | None) -> tuple[QuerySet[Submission], Place | None]:
    """The next LOOKED_AT waiting orders and the last of their places; None: these are the last that wait."""
    waiting = Submission.objects.filter(provider=provider_id, state=Submission.State.QUEUED)
    if after:
        waiting = waiting.filter(next_at__gte=after[0]).exclude(next_at=after[0], pk__lte=after[1])
    waiting = waiting.order_by("next_at", "pk")
    edge = waiting.values_list("next_at", "pk")[LOOKED_AT - 1 : LOOKED_AT].first()
    if edge:
        waiting = waiting.filter(next_at__lte=edge[0]).exclude(next_at=edge[0], pk__gt=edge[1])
    return waiting, edge


def _move(order_id: int, provider: Provider, why: str) -> bool:
    with transaction.atomic():
        order = lock_order(order_id)
        submission = (
            Submission.objects.select_for_update(of=("self",))
            .select_related("provider")
            .filter(order_id=order_id, provider=provider, state=Submission.State.QUEUED)
            .first()
        )
        route = other_route(order, submission) if submission else None
        return bool(submission and route and take_route(order, submission, route, why))
