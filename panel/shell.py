"""What the frame around every page needs: navigation by what a role may do, the counts in it, the balance, the banners.

Context processor `context`. Everything costs a query only when a template asks for it, so that an API answer or an
anonymous page asks the database nothing but the name and looks of the site. A link is shown only if its address
leads somewhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any

from django.conf import settings
from django.db import connection
from django.http import HttpRequest
from django.urls import Resolver404, resolve
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy as _

from customers import site_settings
from customers.access import opens
from customers.permissions import may, works_here


@dataclass(frozen=True)
class Link:
    address: str
    label: Any
    icon: str
    go: str = ""  # the letter after `g`
    counter: str = ""  # a method of Counts
    current: bool = False
    count: Any = None  # called by the template, once however often it is shown


@dataclass(frozen=True)
class Group:
    label: Any
    links: tuple[Link, ...]


NEW_ORDER = Link("/orders/new", _("New order"), "plus", go="n")
REVIEW = Link("/staff/review", _("Review queue"), "inbox", go="r", counter="to_review")
UNKNOWN = Link("/staff/unknown", _("Being verified"), "question-mark", go="v", counter="unknown")
ALL_ORDERS = Link("/staff/orders", _("Orders"), "list-details", go="o")
CUSTOMERS = Link("/staff/customers", _("Customers"), "users", go="c")
PROFILE = Link("/account/", _("Profile and security"), "user")

CUSTOMER_NAV = (
    Group(
        "",
        (
            Link("/", _("Home"), "home", go="h"),
            NEW_ORDER,
            Link("/orders/", _("Orders"), "list-details", go="o"),
            Link("/services/", _("Services"), "apps", go="s"),
            Link("/wallet/", _("Wallet"), "wallet", go="w"),
            Link("/api", _("API"), "code", go="a"),
        ),
    ),
    Group(_("Account"), (PROFILE, Link("/help/", _("Help"), "lifebuoy"))),
)
DASHBOARD = Link("/manage/", _("Dashboard"), "layout-dashboard", go="d")
# Everybody's who works here, as far as the table lets him (customers/permissions.py): who has no dashboard begins with
# the queue.
FROM_THE_DASHBOARD = Group("", (DASHBOARD, ALL_ORDERS, REVIEW, UNKNOWN, CUSTOMERS))
FROM_THE_QUEUE = Group("", (REVIEW, UNKNOWN, ALL_ORDERS, CUSTOMERS))
STAFF_NAV = (
    Group(
        _("Catalog"),
        (
            Link("/manage/providers", _("Providers"), "plug-connected", go="p"),
            Link("/manage/services", _("Services"), "apps", go="s"),
            Link("/manage/catalog", _("Catalog changes"), "git-compare"),
            Link("/manage/markup", _("Markup rules"), "percentage", go="m"),
            Link("/manage/prices", _("Price lists"), "tag"),
            Link("/manage/deny-list", _("Deny-list"), "ban"),
        ),
    ),
    Group(
        _("Money"),
        (
            Link("/manage/money", _("Payments and ledger"), "receipt"),
            Link("/manage/reports", _("Reports"), "report-money"),
        ),
    ),
    Group(
        _("System"),
        (
            Link("/manage/team", _("Team and roles"), "shield-check"),
            Link("/manage/alerts", _("Alerts"), "bell", counter="open_alerts"),
            Link("/manage/audit", _("Audit log"), "history"),
            Link("/manage/health", _("Health"), "heartbeat"),
            Link("/manage/settings", _("Settings"), "settings"),
        ),
    ),
    Group(_("Account"), (PROFILE,)),
)
BACK_OFFICE = Link("/admin/", _("Back office"), "database")


@lru_cache(maxsize=256)
def leads_somewhere(address: str) -> bool:
    """Whether a page is behind a local address in this build; the answer cannot change while a process lives."""
    try:
        resolve(address)
    except Resolver404:
        return False
    return True


class Counts:
    """Numbers in the navigation: one statement for all of them, once a page, each a COUNT on an indexed state."""

    @cached_property
    def _all(self) -> tuple[int, int, int]:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT (SELECT count(*) FROM orders_request WHERE state IN ('requested', 'unknown')),
                       (SELECT count(*) FROM orders_submission WHERE state = 'unknown'),
                       (SELECT count(*) FROM providers_alert WHERE closed_at IS NULL)
                """
            )
            to_review, unknown, alerts = cursor.fetchone()
        return to_review, unknown, alerts

    def to_review(self) -> int:
        return self._all[0]

    def unknown(self) -> int:
        return self._all[1]

    def open_alerts(self) -> int:
        return self._all[2]


class Shell:
    """`shell` in templates."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.user: Any = getattr(request, "user", None)

    @property
    def signed_in(self) -> bool:
        return bool(self.user and self.user.is_authenticated)

    @cached_property
    def role(self) -> str:
        """customer, reviewer, admin, or "" for nobody. A superuser sees what an admin sees."""
        if not self.signed_in:
            return ""
        if not works_here(self.user):
            return "customer"
        return "admin" if opens(self.user, DASHBOARD.address) else "reviewer"

    @cached_property
    def _groups(self) -> tuple[Group, ...]:
        if self.role in ("", "customer"):
            return CUSTOMER_NAV if self.role else ()
        return (FROM_THE_DASHBOARD if self.role == "admin" else FROM_THE_QUEUE, *STAFF_NAV)

    @cached_property
    def counts(self) -> Counts:
        return Counts()

    @property
    def nav(self) -> list[Group]:
        shown = [replace(group, links=tuple(self._links(group))) for group in self._groups]
        if self.signed_in and may(self.user, "back_office.see") and leads_somewhere(BACK_OFFICE.address):
            shown.append(Group("", (BACK_OFFICE,)))
        return [group for group in shown if group.links]

    def _links(self, group: Group) -> Iterator[Link]:
        here, counts = self.here, self.counts
        for link in group.links:
            if leads_somewhere(link.address) and opens(self.user, link.address):
                count = getattr(counts, link.counter) if link.counter else None
                yield replace(link, current=link.address == here, count=count)

    @property
    def here(self) -> str:
        """The navigation address the present page belongs to: the longest one that its path continues."""
        path = self.request.path
        known = [link.address for group in self._groups for link in group.links]
        return max((a for a in known if path == a or _continues(path, a)), key=len, default="")

    @cached_property
    def balance(self) -> Decimal:
        from customers.wallet import balance_of

        return balance_of(self.user)

    @property
    def shows_balance(self) -> bool:
        return self.role == "customer" and leads_somewhere("/wallet/")

    @property
    def finds(self) -> bool:
        return self.signed_in and leads_somewhere("/find")

    @property
    def viewing(self) -> Any:
        """The customer whose view an admin has opened read-only, if one (set on the request by whoever opens it)."""
        return getattr(self.request, "viewing_customer", None)

    @property
    def suspended(self) -> str:
        """What the signed-in customer may not do for now, in words; "" while he may do everything."""
        if self.role != "customer":
            return ""
        stopped = (
            (self.user.orders_suspended, _("placing orders")),
            (self.user.api_suspended, _("the API")),
            (self.user.deposits_suspended, _("adding funds")),
        )
        return ", ".join(str(name) for on, name in stopped if on)

    @property
    def mail_folder(self) -> str:
        """Where mail lands because no server is set; "" if mail is sent, or for anybody but admins."""
        if (
            not self.signed_in
            or not may(self.user, "settings.see")
            or not settings.EMAIL_BACKEND.endswith("filebased.EmailBackend")
        ):
            return ""
        return "var/mail"

    @property
    def dispatch_paused(self) -> str:
        """Why no order is being sent, for staff; "" while dispatch runs."""
        if not self.signed_in or not works_here(self.user):
            return ""
        from orders.models import DispatchSwitch

        switch = DispatchSwitch.objects.first()
        return (switch.reason or str(_("no reason given"))) if switch and switch.paused_at else ""


def _continues(path: str, address: str) -> bool:
    if address == "/":
        return False
    if address == NEW_ORDER.address:
        return path.startswith("/orders/mass")
    if address in ("/manage/", "/orders/"):  # index pages: others under them have entries of their own
        return address == "/orders/" and path.startswith("/orders/")
    return path.startswith(address.rstrip("/") + "/")


def context(request: HttpRequest) -> dict[str, Any]:
    return {
        "shell": Shell(request),
        "site_settings": SimpleLazyObject(lambda: site_settings.of(request)),
        "site_name": SimpleLazyObject(lambda: site_settings.of(request).site_name),
        "currency": settings.CURRENCY,
    }
