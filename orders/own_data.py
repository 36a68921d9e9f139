"""Everything stored about a customer that is his, as one JSON document, written while it is sent.

Memory stays flat whatever the number of orders: rows come in pages by key, and none is kept.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from allauth.usersessions.models import UserSession
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Q, QuerySet
from django.utils import timezone

from customers.ledger import Entry
from customers.models import DepositRequest, Notice, Transfer, User
from customers.wallet import wallet_of
from orders.models import MassRest, Order, Request
from providers.models import Alert, Favorite
from providers.reporting import reports_of

PAGE = 2000


def document(user: User) -> Iterator[str]:
    """The JSON in pieces. Amounts are decimal strings in panel currency, times ISO 8601 in UTC."""
    yield '{"exported_at": ' + _json(timezone.now())
    yield ',\n"profile": ' + _json(_profile(user))
    yield ',\n"sessions": ' + _json(
        list(UserSession.objects.filter(user=user).values("created_at", "ip", "user_agent"))
    )
    keys = user.api_keys.values(
        "label", "prefix", "last_four", "scopes", "allowed_addresses", "created_at", "last_used_at", "expires_at",
        "revoked_at",
    )  # fmt: skip
    yield ',\n"api_keys": ' + _json(list(keys))
    wallet = wallet_of(user)
    transfers = Transfer.objects.filter(Q(source=wallet) | Q(target=wallet)).select_related(
        "source", "target"
    )

    def entry(row: Transfer) -> dict[str, Any]:
        amount = row.amount if row.target_id == wallet.pk else -row.amount
        return {
            "entry": row.pk, "at": row.at, "type": Entry(row, amount).type, "amount": amount,
            "balance_after": row.balance_after, "order": row.order_number, "note": row.note,
        }  # fmt: skip

    parts: list[tuple[str, QuerySet[Any], Callable[[Any], dict[str, Any]]]] = [
        ("deposits", DepositRequest.objects.filter(user=user), _deposit),
        ("ledger", transfers, entry),
        ("orders", Order.objects.for_user(user).select_related("service"), _order),
        ("requests", Request.objects.filter(order__user=user), _request),
        ("favorites", user.favorites.select_related("service"), _favorite),
        ("reports", reports_of(user), _report),
        ("mails", user.mailed_notices.all(), _mail),
        ("lines_not_placed", MassRest.objects.filter(user=user), _rest),
    ]
    for name, rows, told in parts:
        yield f',\n"{name}": ['
        yield from _listed(rows, told)
        yield "]"
    yield "}\n"


def _listed(rows: QuerySet[Any], told: Callable[[Any], dict[str, Any]]) -> Iterator[str]:
    last, comma = 0, "\n"
    while page := list(rows.filter(pk__gt=last).order_by("pk")[:PAGE]):
        last = page[-1].pk
        yield comma + ",\n".join(_json(told(row)) for row in page)
        comma = ",\n"


def _profile(user: User) -> dict[str, Any]:
    return {
        "email": user.email,
        "name": user.name,
        "joined": user.date_joined,
        "last_sign_in": user.last_login,
        "language": user.language,
        "time_zone": user.time_zone,
        "theme": user.theme,
        "single_letter_shortcuts": user.single_keys,
        "mails": user.notices,
        "price_list": user.price_group.name if user.price_group else None,
        "terms_version": user.terms_version,
        "terms_accepted_at": user.terms_accepted_at,
        "deletion_asked_at": user.deletion_asked_at,
        "suspended": [name for name in ("orders", "api", "deposits") if getattr(user, f"{name}_suspended")],
        "suspended_note": user.suspended_note,
    }


def _deposit(row: DepositRequest) -> dict[str, Any]:
    return {
        "method": row.method, "amount": row.amount, "reference": row.reference, "state": row.state,
        "note": row.note, "announced_at": row.created_at, "decided_at": row.decided_at,
    }  # fmt: skip


def _order(row: Order) -> dict[str, Any]:
    return {
        "order": row.pk, "placed_at": row.created_at, "source": row.source, "service": row.service_id,
        "service_name": row.service.name, "link": row.link, "quantity": row.quantity, "runs": row.runs,
        "interval_minutes": row.interval, "fields": row.fields, "reference": row.reference, "rate": row.rate,
        "charge": row.charge, "returned": row.refunded, "status": row.status, "start_count": row.start_count,
        "remains": row.remains, "ended_at": row.ended_at,
    }  # fmt: skip


def _request(row: Request) -> dict[str, Any]:
    return {
        "request": row.pk, "order": row.order_id, "kind": row.kind, "state": row.state, "at": row.created_at,
        "reason": row.reason, "current_count": row.current_count, "answer": row.note, "decided_at": row.decided_at,
    }  # fmt: skip


def _favorite(row: Favorite) -> dict[str, Any]:
    return {"service": row.service_id, "service_name": row.service.name}


def _report(row: Alert) -> dict[str, Any]:
    """A report of a service as it is kept: with the words it was made with."""
    return {"text": row.text, "at": row.opened_at, "closed_at": row.closed_at}


def _mail(row: Notice) -> dict[str, Any]:
    return {"subject": row.subject, "text": row.text, "written_at": row.created_at, "sent_at": row.sent_at}


def _rest(row: MassRest) -> dict[str, Any]:
    return {"at": row.at, "lines": row.lines}


def _json(value: Any) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)
