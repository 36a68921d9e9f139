"""/healthz for load balancers and people, /metrics for Prometheus."""

import hmac
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import redis
from django.apps import apps
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.db.models import Count, DurationField, ExpressionWrapper, F, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from customers.models import Heartbeat
from orders.ledger_watch import last_check

# Four missed pings of ten seconds, and some: long enough for a busy worker, short enough for an operator.
STALE_AFTER = timedelta(seconds=45)
# A worker that went stale longer ago than this was taken away; it is no longer news.
SHOWN_FOR = timedelta(hours=1)


def database_answers() -> str:
    """ "ok", or what is wrong, in a word that gives no address away."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "away"
    return "ok"


def broker_answers() -> str:
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=0.5, socket_timeout=0.5, retry=None
    )
    try:
        client.ping()
    except (redis.RedisError, OSError):
        return "away"
    finally:
        client.close()
    return "ok"


def known_heartbeats() -> QuerySet[Any]:
    """The rows heard of lately, each with its `age`; both times are the database's, so hosts may disagree."""
    return Heartbeat.objects.annotate(
        age=ExpressionWrapper(Now() - F("at"), output_field=DurationField())
    ).filter(age__lte=SHOWN_FOR)


def heartbeats() -> dict[str, Any]:
    """Per kind: whether one is fresh, and the age of each in seconds."""
    found: dict[str, Any] = {}
    for kind in ("worker", "beat"):
        ages: dict[str, timedelta] = dict(known_heartbeats().filter(kind=kind).values_list("name", "age"))
        found[kind] = {
            "state": "ok" if any(age <= STALE_AFTER for age in ages.values()) else "missing",
            "seconds_ago": {name: round(age.total_seconds(), 1) for name, age in sorted(ages.items())},
        }
    return found


@never_cache
@login_not_required
@require_GET
def healthz(_request: HttpRequest) -> JsonResponse:
    """200 when a page can be served and an order can be sent on; else 503 with the missing part named."""
    parts: dict[str, Any] = {"database": {"state": database_answers()}, "broker": {"state": broker_answers()}}
    if parts["database"]["state"] == "ok":
        parts |= heartbeats()
    else:
        parts |= {"worker": {"state": "not known"}, "beat": {"state": "not known"}}
    healthy = all(part["state"] == "ok" for part in parts.values())
    answer = JsonResponse({"ok": healthy, **parts}, status=200 if healthy else 503)
    answer._has_been_logged = True  # type: ignore[attr-defined]  # asked every few seconds: not an error a line
    return answer


class _Panel:
    """The gauges, counted from the database when asked: right whichever of the web processes answers."""

    def collect(self) -> Iterator[Metric]:
        started = time.monotonic()
        up = GaugeMetricFamily("headwater_up", "Whether a part answers", labels=["part"])
        up.add_metric(["database"], database_answers() == "ok")
        up.add_metric(["broker"], broker_answers() == "ok")
        yield up
        ages = GaugeMetricFamily(
            "headwater_heartbeat_age_seconds", "Age of a heartbeat", labels=["kind", "name"]
        )
        for kind, name, age in known_heartbeats().values_list("kind", "name", "age"):
            ages.add_metric([kind, name], age.total_seconds())
        yield ages
        yield self._by_state("headwater_submissions", "Submissions", "orders", "Submission", "state")
        yield self._by_state("headwater_requests", "Refill and cancel requests", "orders", "Request", "state")
        yield from self._ledger()
        took = GaugeMetricFamily("headwater_metrics_seconds", "What this answer cost")
        took.add_metric([], time.monotonic() - started)
        yield took

    def _ledger(self) -> Iterator[Metric]:
        """What the last ledger check found, and how long ago that was; nothing before the first."""
        last = last_check()
        if last is None:
            return
        at, said = last
        age = GaugeMetricFamily("headwater_ledger_check_age_seconds", "Age of the last ledger check")
        age.add_metric([], (timezone.now() - at).total_seconds())
        yield age
        for name, meaning in (
            ("broken", "Broken rows of the ledger"),
            ("warnings", "Warnings of the ledger check"),
        ):
            family = GaugeMetricFamily(f"headwater_ledger_{name}", meaning)
            family.add_metric([], len(said.get(name, [])))
            yield family

    def _by_state(self, name: str, meaning: str, app: str, model: str, field: str) -> Metric:
        family = GaugeMetricFamily(name, f"{meaning} by {field}", labels=[field])
        rows = apps.get_model(app, model)._default_manager.order_by().values_list(field)
        for state, count in rows.annotate(count=Count("pk")):
            family.add_metric([state], count)
        return family


@never_cache
@login_not_required
@require_GET
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text, for this machine or for whoever sends METRICS_TOKEN as a bearer token."""
    sent = request.headers.get("Authorization", "").removeprefix("Bearer ")
    token = settings.METRICS_TOKEN
    known = bool(token) and hmac.compare_digest(sent.encode(), token.encode())
    # behind a proxy everyone may look local, so there only the token counts
    local = (
        request.META.get("REMOTE_ADDR") in ("127.0.0.1", "::1") and "X-Forwarded-For" not in request.headers
    )
    if not (known or (local and not token)):
        return HttpResponse("Metrics are for this machine, or for the METRICS_TOKEN.\n", "text/plain", 403)
    registry = CollectorRegistry()
    registry.register(_Panel())
    return HttpResponse(generate_latest(registry), content_type="text/plain; version=0.0.4; charset=utf-8")
