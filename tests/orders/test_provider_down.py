"""A provider that is down is one incident: told when it is no hiccup, with its money, and told again when it is over."""

import json
import socket
import ssl
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from customers import site_settings
from orders.dashboard import needs_attention
from orders.models import Submission
from orders.status_lane import status_lane
from orders.submission import submit_lane
from orders.watching import watch
from providers.balances import read_balance
from providers.catalog import sync_catalog
from providers.models import Alert, Lane, Provider, Service
from providers.overview import standings
from providers.reaching import outages
from providers.telling import plan, tell_due
from tests import world
from tests.staff_world import accepted, signed_in

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = Response("<html><body>502 Bad Gateway</body></html>", status=502, content_type="text/html")
HOOK = "/hook"


class Upstream:
    """A provider that works, but for the actions in `sick`, which are answered with what is set there."""

    def __init__(self, server: HTTPServer) -> None:
        self.sick: dict[str, Response] = {}
        self.told: list[dict[str, Any]] = []
        self.orders = 0
        server.expect_request("/api/v2", method="POST").respond_with_handler(self.answer)
        server.expect_request(HOOK, method="POST").respond_with_handler(self.hear)

    def answer(self, request: Request) -> Response:
        action = request.form["action"]
        if action in self.sick:
            return self.sick[action]
        if action == "add":
            self.orders += 1
            return self.json({"order": 1000 + self.orders})
        if action == "status":
            ids = request.form["orders"].split(",")
            return self.json({pk: {"status": "In progress", "remains": "10"} for pk in ids})
        if action == "services":
            return self.json([{"service": 1, "name": "A", "type": "Default", "category": "B", "rate": "1.00",
                               "min": "10", "max": "1000000"}])  # fmt: skip
        return self.json({"balance": "100", "currency": "USD"})

    def hear(self, request: Request) -> Response:
        self.told.append(json.loads(request.data))
        return Response("", status=204)

    @staticmethod
    def json(value: Any) -> Response:
        return Response(json.dumps(value), content_type="application/json")

    def all_sick(self) -> None:
        self.sick = dict.fromkeys(("add", "status", "services", "balance"), PAGE)


@pytest.fixture
def upstream(httpserver: HTTPServer, settings: Any) -> Upstream:
    settings.PROVIDER_ALLOWED_PRIVATE = frozenset({f"{httpserver.host}:{httpserver.port}"})
    site_settings.change(
        {
            "notice_emails": "ops@example.org",
            "hook_address": httpserver.url_for(HOOK),
            "hook_secret": "s" * 40,
        }
    )
    return Upstream(httpserver)


@pytest.fixture
def meridian(upstream: Upstream, httpserver: HTTPServer) -> Provider:
    return world.provider(httpserver.url_for("/api/v2"))


@pytest.fixture
def shop(meridian: Provider) -> Service:
    return world.service(world.offer(meridian))


def pass_(minutes: float) -> None:
    """So long ago now is what the lanes met."""
    back = timedelta(minutes=minutes)
    Lane.objects.update(
        answered_at=F("answered_at") - back,
        fails_since=F("fails_since") - back,
        failed_at=F("failed_at") - back,
    )


def down() -> Alert | None:
    """The open alert, after a look."""
    watch()
    return Alert.objects.filter(key__startswith="watch:down:", closed_at=None).first()


def tell() -> int:
    plan()
    return tell_due()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def to_address(provider: Provider, url: str, settings: Any) -> None:
    settings.PROVIDER_ALLOWED_PRIVATE |= {url.split("/")[2]}
    Provider.objects.filter(pk=provider.pk).update(api_url=url)
    provider.refresh_from_db()


def test_refused_connections_are_told_once_with_their_money_and_over_at_the_first_good_reading(
    upstream: Upstream, meridian: Provider, shop: Service, settings: Any
) -> None:
    good, alice = meridian.api_url, world.customer()
    followed = accepted(world.order(alice, shop, "https://example.org/a"))
    status_lane(meridian.pk, force=True)
    to_address(meridian, f"http://127.0.0.1:{closed_port()}/api/v2", settings)
    waiting = world.order(alice, shop, "https://example.org/b", 3000)
    for _ in range(3):
        assert submit_lane(meridian.pk, force=True).requeued == 1
        status_lane(meridian.pk, force=True)
        read_balance(meridian)
    assert down() is None  # nine failures in a moment are a hiccup
    pass_(6)
    assert down() is None  # and time alone is no failure
    status_lane(meridian.pk, force=True)

    alert = down()
    assert alert is not None
    assert (alert.level, alert.provider_id, alert.at_risk) == ("critical", meridian.pk, Decimal("6"))
    for words in (
        "Meridian cannot be reached since", "Could not connect to 127.0.0.1: the connection was refused.",
        "Orders that wait: 1, 6.00 USD charged", "Open orders shown as read on", ": 1. It is asked again",
    ):  # fmt: skip
        assert words in alert.text.replace("$6.00", "6.00 USD")
    assert tell() == 2
    for _ in range(3):
        pass_(10)
        status_lane(meridian.pk, force=True)
        read_balance(meridian)
        assert down() == alert
        assert tell() == 0
    assert len(mail.outbox) == len(upstream.told) == 1
    assert (upstream.told[0]["event"], upstream.told[0]["at_risk"]) == ("opened", "6.00")

    to_address(meridian, good, settings)
    read_balance(meridian)  # statuses were not asked yet: one good answer is enough
    assert down() is None
    assert tell() == 2
    assert mail.outbox[-1].subject.startswith(("Over", "[", "Headwater"))
    assert upstream.told[-1]["event"] == "over"
    assert submit_lane(meridian.pk, force=True).accepted == 1
    status_lane(meridian.pk, force=True)
    assert (down(), tell(), upstream.orders) == (None, 0, 1)
    assert {world.state_of(waiting), world.state_of(followed)} == {"accepted"}
    world.sane()


def test_a_page_instead_of_data_is_an_outage_of_readings_though_no_order_was_lost(
    upstream: Upstream, meridian: Provider, shop: Service
) -> None:
    accepted(world.order(world.customer(), shop))
    upstream.all_sick()
    for _ in range(3):
        status_lane(meridian.pk, force=True)
        sync_catalog(meridian, apply=True)
        pass_(3)
    alert = down()
    assert alert is not None and alert.level == "critical"
    assert "gives no usable answer since" in alert.text and "HTTP 502" in alert.text
    assert "No order waits for it." in alert.text
    upstream.sick = {}
    sync_catalog(meridian, apply=True)
    assert down() is None


def test_what_fails_alone_is_said_so_and_ends_only_with_its_own_answer(
    upstream: Upstream, meridian: Provider, shop: Service
) -> None:
    order = accepted(world.order(world.customer(), shop))
    upstream.sick["status"] = PAGE
    for _ in range(5):
        status_lane(meridian.pk, force=True)
        assert read_balance(meridian).error == ""
        pass_(2)
    alert = down()
    assert alert is not None and alert.level == "warning"
    assert "Meridian answers, but since" in alert.text and "statuses cannot be read" in alert.text
    for _ in range(3):  # the others' answers do not make it flap
        read_balance(meridian)
        assert down() == alert
        status_lane(meridian.pk, force=True)
        assert down() == alert
    row = standings(only=meridian.pk)[0]
    assert row.badge == ("broken", "Partly down")
    upstream.sick = {}
    status_lane(meridian.pk, force=True)
    assert down() is None
    assert standings(only=meridian.pk)[0].badge[1] != "Partly down"
    assert world.state_of(order) == "accepted"


def test_a_lane_that_has_nothing_to_ask_any_more_is_no_outage(
    upstream: Upstream, meridian: Provider, shop: Service
) -> None:
    accepted(world.order(world.customer(), shop))
    upstream.sick["status"] = PAGE
    for _ in range(5):
        status_lane(meridian.pk, force=True)
        read_balance(meridian)
        pass_(2)
    assert down() is not None
    Submission.objects.update(next_poll_at=None)
    assert down() is None


def test_a_hiccup_now_and_then_is_never_told(upstream: Upstream, meridian: Provider) -> None:
    for _ in range(6):
        upstream.sick["balance"] = PAGE
        read_balance(meridian)
        read_balance(meridian)
        pass_(20)
        assert down() is None
        upstream.sick = {}
        read_balance(meridian)
        assert down() is None
    assert not Alert.objects.exists()


def test_a_refusal_is_an_answer_and_too_many_requests_is_none(upstream: Upstream, meridian: Provider) -> None:
    for said, out in (("Incorrect request", False), ("Rate limit exceeded", True)):
        upstream.sick["balance"] = Upstream.json({"error": said})
        for _ in range(4):
            read_balance(meridian)
            pass_(4)
        assert (meridian.pk in outages()) is out
    assert "Lower its calls per minute" in outages()[meridian.pk].advice


@pytest.fixture
def plain_port() -> Iterator[int]:
    """Something that speaks, but no TLS."""
    import threading

    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                found, _ = listener.accept()
            except OSError:
                return
            with found:
                found.recv(4096)
                found.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    threading.Thread(target=serve, daemon=True).start()
    yield int(listener.getsockname()[1])
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_a_broken_secure_connection_is_told_as_that(
    upstream: Upstream, meridian: Provider, plain_port: int, settings: Any
) -> None:
    to_address(meridian, f"https://127.0.0.1:{plain_port}/api/v2", settings)
    for _ in range(3):
        assert read_balance(meridian).failed
        pass_(3)
    alert = down()
    assert alert is not None
    assert "No secure connection to 127.0.0.1 could be made." in alert.text
    assert ssl.OPENSSL_VERSION  # the handshake was OpenSSL's own


def test_a_name_that_is_not_found_is_told_as_that(upstream: Upstream, meridian: Provider) -> None:
    Provider.objects.update(api_url="https://no-such-name.invalid/api/v2")
    meridian.refresh_from_db()
    for _ in range(3):
        assert read_balance(meridian).failed
        pass_(3)
    alert = down()
    assert alert is not None and "no-such-name.invalid" in alert.text


def test_a_halted_lane_of_orders_is_enough(
    upstream: Upstream, meridian: Provider, shop: Service, settings: Any
) -> None:
    to_address(meridian, f"http://127.0.0.1:{closed_port()}/api/v2", settings)
    world.order(world.customer(), shop)
    for _ in range(4):
        submit_lane(meridian.pk, force=True)
        pass_(2)
    alert = down()
    assert alert is not None and alert.at_risk == Decimal("2")


def test_an_archived_provider_and_one_without_a_key_are_not_missed(
    upstream: Upstream, meridian: Provider
) -> None:
    upstream.all_sick()
    for _ in range(4):
        read_balance(meridian)
        pass_(2)
    assert down() is not None
    key = meridian.key
    meridian.key = ""
    meridian.save(update_fields=["key"])
    assert down() is None
    meridian.key = key
    meridian.save(update_fields=["key"])
    assert down() is not None


def test_a_run_that_works_costs_the_statements_it_always_cost(
    upstream: Upstream, meridian: Provider, shop: Service
) -> None:
    """Giving the lane back is the one UPDATE in which what was met is written."""
    accepted(world.order(world.customer(), shop))
    status_lane(meridian.pk, force=True)
    with CaptureQueriesContext(connection) as queries:
        status_lane(meridian.pk, force=True)
    lanes = [query["sql"] for query in queries if "providers_lane" in query["sql"]]
    assert sum("answered_at" in sql and sql.startswith("UPDATE") for sql in lanes) == 1
    assert sum(sql.startswith("UPDATE") for sql in lanes) == 3  # taken, renewed, given back
    assert not any(sql.startswith("UPDATE") and "last_error_at" in sql for sql in lanes)


def test_the_pages_show_the_incident(upstream: Upstream, meridian: Provider) -> None:
    upstream.all_sick()
    for _ in range(4):
        read_balance(meridian)
        pass_(2)
    assert down() is not None
    adam = signed_in(world.admin())
    for address in ("/manage/", "/manage/alerts", "/manage/providers", f"/manage/providers/{meridian.pk}"):
        page = adam.get(address).content.decode()
        assert "Meridian gives no usable answer since" in page, address
    (row,) = needs_attention(standings())
    assert row.title.endswith("HTTP 502.") and row.text.startswith("No order waits for it. It is asked again")
    assert ">Down<" in adam.get(f"/manage/providers/{meridian.pk}").content.decode()
