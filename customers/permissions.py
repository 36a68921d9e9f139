"""What each role may do: one table, read by every page and act of staff, and shown on the page "Team and roles".

    verb → who may do it, and what it is in one plain sentence

A verb that ends in `.see` only reads; all others change something, and a page that changes something names one of
those (customers.access.allowed). Roles are a ladder (reviewer, admin, superuser), so a line says from where on.
`balance.adjust` has a limit by role on top of it, in the settings (customers.adjusting); who has a limit does not set it:
`limits.edit` is not among what admins may.
"""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from customers.models import User

REVIEWER, ADMIN, SUPERUSER = "reviewer", "admin", "superuser"
STAFF_ROLES: dict[str, Any] = {REVIEWER: _("Reviewer"), ADMIN: _("Admin"), SUPERUSER: _("Superuser")}


@dataclass(frozen=True)
class Permission:
    """`roles`: who may. `words`: what it allows, a sentence for the page."""

    roles: tuple[str, ...]
    words: Any


def _from(role: str, words: Any) -> Permission:
    ladder = tuple(STAFF_ROLES)
    return Permission(ladder[ladder.index(role) :], words)


# The page's headings, each with its verbs.
GROUPS: tuple[tuple[Any, dict[str, Permission]], ...] = (
    (
        _("Requests and orders in doubt"),
        {
            "request.decide": _from(REVIEWER, _("Approve or reject refill and cancel requests, and take it back")),
            "request.settle": _from(REVIEWER, _("Say what became of a refill without a clear answer")),
            "unknown.decide": _from(REVIEWER, _("Decide an order in doubt: the provider has it, or the charge goes back")),
            "unknown.resend": _from(REVIEWER, _("Send an order in doubt again, where it never arrived")),
            "unknown.write_off": _from(ADMIN, _("Write an order in doubt off: the charge goes back at our loss")),
        },
    ),
    (
        _("Orders"),
        {
            "orders.see": _from(REVIEWER, _("See all orders, requests and customers, without cost, margin or provider balances")),
            "order.note": _from(REVIEWER, _("Write internal notes on orders and requests")),
            "order.ask": _from(REVIEWER, _("Ask for a cancel or refill in the customer's place")),
            "order.hold": _from(REVIEWER, _("Hold an unsent order, or release it")),
            "order.reject": _from(REVIEWER, _("Cancel an unsent order; the whole charge goes back")),
            "order.resend": _from(REVIEWER, _("Send a waiting order at once")),
            "order.correct": _from(REVIEWER, _("Change the link or route of an unsent order")),
            "order.sell_at_loss": _from(ADMIN, _("Send an unsent order by a route that costs more than its charge")),
            "order.deliver": _from(REVIEWER, _("Start orders delivered by hand, set their counts, answer their refills")),
            "order.settle": _from(REVIEWER, _("End an order by hand: delivered, in part, or all back")),
        },
    ),
    (
        _("Customers"),
        {
            "customer.note": _from(REVIEWER, _("Write the internal note about a customer")),
            "customer.suspend": _from(REVIEWER, _("Suspend a customer's orders, API or deposits, and lift it")),
            "balance.adjust": _from(REVIEWER, _("Correct a customer's balance, up to the limit of the role")),
            "customer.create": _from(ADMIN, _("Add a customer, with a starting balance")),
            "customer.price": _from(ADMIN, _("Set a customer's price list and special rates")),
            "customer.view_as": _from(ADMIN, _("Look at the panel as a customer sees it, read-only")),
            "customer.export": _from(ADMIN, _("Download a customer's personal data")),
            "customer.erase": _from(ADMIN, _("Erase a customer's personal data; the ledger stays")),
        },
    ),
    (
        _("Money"),
        {
            "money.see": _from(ADMIN, _("See cost, margin, profit, provider balances, payments and the ledger")),
            "deposit.credit": _from(ADMIN, _("Credit or refuse deposits, and record a payment")),
            "deposit.reverse": _from(ADMIN, _("Take a credited payment back after a chargeback; what the wallet lacks is owed")),
            "report.export": _from(ADMIN, _("Download reports as files")),
            "ledger.check": _from(ADMIN, _("Check the ledger now")),
        },
    ),
    (
        _("Catalog"),
        {
            "catalog.see": _from(ADMIN, _("See providers, their services, prices, rules and the deny-list")),
            "provider.top_up": _from(ADMIN, _("Record what was paid in at a provider, or take the record back")),
            "provider.edit": _from(ADMIN, _("Add, connect, pause and archive providers; keys and options")),
            "catalog.decide": _from(ADMIN, _("Read catalogs, accept or refuse what changed, and take it back")),
            "service.edit": _from(ADMIN, _("Put services on sale or take them off; names, limits, routes")),
            "price.edit": _from(ADMIN, _("Set markup rules, price lists and exchange rates")),
            "deny_list.edit": _from(ADMIN, _("Put words, links and customers on the deny-list, or take them off")),
        },
    ),
    (
        _("System"),
        {
            "dispatch.switch": _from(ADMIN, _("Stop all sending and let it go on, also after a restore")),
            "alerts.see": _from(ADMIN, _("See the alerts")),
            "alert.close": _from(ADMIN, _("Close alerts and send test notices")),
            "audit.see": _from(ADMIN, _("Read the audit log")),
            "settings.see": _from(ADMIN, _("See the settings")),
            "settings.edit": _from(ADMIN, _("Change the settings: site, terms, deposits, review rules, limits, notices")),
            "limits.edit": _from(SUPERUSER, _("Change how much one person may correct by hand")),
            "team.see": _from(ADMIN, _("See who works here and what roles may do")),
            "team.invite": _from(ADMIN, _("Invite reviewers and admins")),
            "team.change": _from(ADMIN, _("Change roles, deactivate members and let them in again")),
            "superuser.change": _from(SUPERUSER, _("Change the account of a superuser")),
            "back_office.see": _from(SUPERUSER, _("Look at raw rows in the back office")),
        },
    ),
)  # fmt: skip
TABLE: dict[str, Permission] = {verb: line for _group, lines in GROUPS for verb, line in lines.items()}


def role_of(user: User) -> str:
    """reviewer, admin or superuser; "" for customers and for accounts that are closed."""
    if not user.is_active:
        return ""
    return SUPERUSER if user.is_superuser else str(user.role) if user.role in STAFF_ROLES else ""


def works_here(user: User) -> bool:
    """Whether any line of the table is for him: the pages of staff are his as well."""
    role = role_of(user)
    return any(role in line.roles for line in TABLE.values())


def may(user: User, verb: str) -> bool:
    """Whether his role may do it. KeyError for a verb that the table does not have."""
    return role_of(user) in TABLE[verb].roles


def changes_something(verb: str) -> bool:
    return not verb.endswith(".see")


def who_may(verb: str) -> str:
    """The roles in words, for whoever may not: "Admin, Superuser"."""
    return ", ".join(str(STAFF_ROLES[role]) for role in TABLE[verb].roles)
