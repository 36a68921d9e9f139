"""What benches/pages.py asks for: every page that people look at often, and the calls of scripts.

A customer who placed a fifth of the orders looks at his own, an admin at everybody's. `/` of staff leads to the
dashboard or the queue and has no line of its own.
"""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from customers.models import User

Ask = Callable[[], object]


def asks(admin: User) -> dict[str, Ask]:
    """What is asked, by name; each raises when the answer is not what it should be."""
    from customers.api_keys import create_api_key
    from orders import listing
    from orders.models import Order, Request, Submission
    from panel import urls
    from providers.models import Provider
    from tests.staff_world import signed_in

    settings.ALLOWED_HOSTS = ["testserver"]
    if not any(getattr(pattern, "name", "") == "bare" for pattern in urls.urlpatterns):
        urls.urlpatterns.append(path("bench/bare", login_not_required(bare), name="bare"))
    biggest = User.objects.filter(email__startswith="scale-").order_by("id")[0]
    customer, staff, script = signed_in(biggest), signed_in(admin), Client()
    key = create_api_key(biggest)[1]
    newest = list(Order.objects.for_user(biggest).order_by("-id")[:100])
    some, top = newest[50], newest[0].pk
    oldest = Order.objects.for_user(biggest).order_by("id")[60].pk
    ids = ",".join(str(order.pk) for order in newest)
    seen = listing.page(biggest, listing.Asked(top=top)).version
    provider = Provider.objects.filter(name__startswith="Scale ").order_by("pk")[0].pk
    review = Request.objects.filter(state="requested").order_by("created_at")[10].pk
    unknown = Submission.objects.filter(state="unknown").order_by("pk")[0].pk
    rule = {"scope": "provider", "provider": provider, "percent": "120", "fixed": "0", "minimum": "0"}
    rule |= {"rounding": "none", "places": "2", "ending": "0", "position": "0", "enabled": "on"}

    def page(client: Client, address: str, status: int = 200) -> Ask:
        return lambda: fine(client.get(address, follow=False), status)

    def call(**form: object) -> Ask:
        return lambda: fine(script.post("/api/v2", {"key": key, **form}))

    def placed() -> object:
        form = {"service": some.service_id, "link": "https://example.org/bench", "quantity": 10}
        return fine(script.post("/api/v2", {"key": key, "action": "add", **form}))

    return {
        "a bare view": page(script, "/bench/bare"),
        "home": page(customer, "/"),
        "home, latest orders": page(customer, "/orders/latest"),
        "orders": page(customer, "/orders/"),
        "orders, live rows": page(customer, f"/orders/rows?top={top}"),
        "orders, live rows, unchanged": page(customer, f"/orders/rows?top={top}&v={seen}", 204),
        "orders, far back": page(customer, f"/orders/?after={oldest}"),
        "orders, Partial": page(customer, "/orders/?status=Partial"),
        "orders, by id": page(customer, f"/orders/?q={some.pk}"),
        "orders, by link": page(customer, f"/orders/?q={some.link}"),
        "orders, of a service": page(customer, f"/orders/?service={some.service_id}"),
        "order": page(customer, f"/orders/{some.pk}"),
        "order, live": page(customer, f"/orders/{some.pk}/live"),
        "new order": page(customer, "/orders/new"),
        "new order, a service": page(customer, f"/orders/new?service={some.service_id}"),
        "mass order": page(customer, "/orders/mass"),
        "services": page(customer, "/services/"),
        "services, search": page(customer, "/services/?q=Impressions+12"),
        "wallet": page(customer, "/wallet/"),
        "wallet, refunds": page(customer, "/wallet/?type=refund"),
        "API page": page(customer, "/api"),
        "API add": placed,
        "API status of 100": call(action="status", orders=ids),
        "API balance": call(action="balance"),
        "API services": call(action="services"),
        "staff: dashboard": page(staff, "/manage/"),
        "staff: orders": page(staff, "/staff/orders"),
        "staff: orders, by link": page(staff, f"/staff/orders?q={some.link}"),
        "staff: orders of a customer": page(staff, f"/staff/orders/of/{biggest.pk}"),
        "staff: order": page(staff, f"/staff/orders/{some.pk}"),
        "staff: review": page(staff, "/staff/review"),
        "staff: review, one of it": page(staff, f"/staff/review?at={review}"),
        "staff: review, live rows": page(staff, "/staff/review/rows"),
        "staff: review, answered": page(staff, "/staff/review?state=answered"),
        "staff: a request": page(staff, f"/staff/review/{review}"),
        "staff: unknown": page(staff, "/staff/unknown"),
        "staff: unknown, a case": page(staff, f"/staff/unknown/{unknown}"),
        "staff: customers": page(staff, "/staff/customers"),
        "staff: customers, by e-mail": page(staff, f"/staff/customers?q={biggest.email}"),
        "staff: customer": page(staff, f"/staff/customers/{biggest.pk}"),
        "staff: payments": page(staff, "/manage/money"),
        "staff: ledger": page(staff, "/manage/money/ledger"),
        "staff: ledger, refunds": page(staff, "/manage/money/ledger?kind=refund"),
        "staff: audit": page(staff, "/manage/audit"),
        "staff: audit, of an order": page(staff, f"/manage/audit?q=order:{some.pk}"),
        "staff: reports": page(staff, "/manage/reports"),
        "staff: providers": page(staff, "/manage/providers"),
        "staff: provider": page(staff, f"/manage/providers/{provider}"),
        "staff: offers": page(staff, f"/manage/providers/{provider}/offers"),
        "staff: catalog": page(staff, "/manage/catalog"),
        "staff: services": page(staff, "/manage/services"),
        "staff: service": page(staff, f"/manage/services/{some.service_id}"),
        "staff: markup": page(staff, "/manage/markup"),
        "staff: markup, preview": lambda: fine(staff.post("/manage/markup/preview", rule)),
        "staff: alerts": page(staff, "/manage/alerts"),
        "staff: alerts, closed": page(staff, "/manage/alerts?state=closed"),
    }


def exports() -> dict[str, Callable[[], Any]]:
    """The downloads of the customer with most orders, by name; each answers a stream whose first piece is the header."""
    from tests.staff_world import signed_in

    customer = signed_in(User.objects.filter(email__startswith="scale-").order_by("id")[0])
    return {
        "orders.csv": lambda: customer.get("/orders/export.csv"),
        "statement.csv": lambda: customer.get("/wallet/statement.csv"),
        "prices.csv": lambda: customer.get("/services/prices.csv"),
    }


def bare(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


def fine(response: Any, status: int = 200) -> object:
    """The answer, read to its end. RuntimeError when it is not what was asked for."""
    body = b"".join(response.streaming_content) if response.streaming else response.content
    if response.status_code != status or body.startswith(b'{"error"'):
        raise RuntimeError(
            f"{response.request['PATH_INFO']}: {response.status_code} {response.get('Location', '')} {body[:200]!r}"
        )
    if connection.in_atomic_block:
        raise RuntimeError("A page left a transaction open.")
    return body
