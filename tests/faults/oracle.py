"""The oracle: the sandbox's truth log and book against the database, for one run of a campaign.

A run's orders have links of their own, each used once, so a link is an order's name on both sides.

    doubles        links with more than one order upstream
    lost           accepted here, absent there (or the id is another link's)
    silent         exists there, but is here neither accepted with that id nor unknown: nobody would look
    false_refunds  money given back here for what is being, or was, delivered there
    drift          broken rows of check_ledger, and wallets that do not add up from deposits, charges, refunds
    stuck          left in claimed or sending after the leases ended

and for refills and cancels, of which each order has one of each at most:

    double_refills  orders with more than one refill upstream
    hidden_asks     a refill exists there, but is here neither taken with that id nor unknown; or one is taken here and is
                    not there; or a refill or cancel is left in claimed or sending
    cancels_again   cancels that the provider took more than once: no harm, and no failure
"""

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from providers.pricing import refund_target

NOT_SENT = frozenset({"held", "queued", "claimed", "withdrawn"})
FAILURES = (
    "doubles", "lost", "silent", "false_refunds", "drift", "stuck", "double_refills", "hidden_asks",
)  # fmt: skip


@dataclass
class Verdict:
    orders: int = 0
    upstream: int = 0
    doubles: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    false_refunds: list[str] = field(default_factory=list)
    drift: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    states: dict[str, int] = field(default_factory=dict)
    unknown: int = 0
    unknown_that_exist: int = 0
    refunded: int = 0
    refills: int = 0
    refills_unknown: int = 0
    cancels: int = 0
    cancels_again: int = 0
    double_refills: list[str] = field(default_factory=list)
    hidden_asks: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not any(getattr(self, name) for name in FAILURES)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"clean": self.clean}


def judge(run: str, truth: list[dict[str, Any]], book: list[dict[str, Any]]) -> Verdict:
    """Compare everything whose link contains `run`."""
    from orders.models import Order

    verdict = Verdict()
    there: dict[str, list[str]] = defaultdict(list)
    for line in truth:
        if line["event"] == "order" and run in line["link"]:
            there[line["link"]].append(str(line["order"]))
    ends = {str(row["order"]): row for row in book}
    orders = Order.objects.filter(link__contains=run).select_related("submission", "user")
    verdict.upstream = sum(len(ids) for ids in there.values())
    verdict.doubles = sorted(link for link, ids in there.items() if len(ids) > 1)
    states: Counter[str] = Counter()
    for order in orders:
        verdict.orders += 1
        submission, ids = order.submission, there.get(order.link, [])
        states[submission.state] += 1
        name = f"{order.pk} {order.link} {submission.state} {submission.provider_order_id or ''}".strip()
        if submission.state == "accepted" and submission.provider_order_id not in ids:
            verdict.lost.append(name)
        if ids and submission.state not in ("accepted", "unknown", "written_off"):
            verdict.silent.append(name)
        if submission.state in ("claimed", "sending"):
            verdict.stuck.append(name)
        if submission.state == "unknown":
            verdict.unknown += 1
            verdict.unknown_that_exist += bool(ids)
        if order.refunded > 0:
            verdict.refunded += 1
            if submission.state != "written_off" and not _owed(order, ids, ends):
                verdict.false_refunds.append(f"{name} refunded {order.refunded} of {order.charge}")
    verdict.states = dict(sorted(states.items()))
    verdict.drift = _drift()
    _judge_requests(run, truth, verdict)
    return verdict


def _judge_requests(run: str, truth: list[dict[str, Any]], verdict: Verdict) -> None:
    from orders.models import Request

    there: dict[str, dict[str, list[str]]] = {"refill": defaultdict(list), "cancel": defaultdict(list)}
    for line in truth:
        if line["event"] in there and run in line["link"]:
            there[line["event"]][line["link"]].append(str(line.get("refill", "")))
    refills, cancels = there["refill"], there["cancel"]
    verdict.refills = sum(len(ids) for ids in refills.values())
    verdict.cancels = sum(len(ids) for ids in cancels.values())
    verdict.cancels_again = sum(len(ids) - 1 for ids in cancels.values())
    verdict.double_refills = sorted(link for link, ids in refills.items() if len(ids) > 1)
    asked = set()
    for request in Request.objects.filter(order__link__contains=run).select_related("order"):
        link, name = request.order.link, f"{request.kind} {request.pk} {request.state}"
        if request.state in ("claimed", "sending"):
            verdict.hidden_asks.append(name)
        if request.kind == "cancel":
            continue
        asked.add(link)
        verdict.refills_unknown += request.state == "unknown"
        taken = request.state in ("accepted", "done", "rejected")
        if taken and request.upstream_id not in refills.get(link, []):
            verdict.hidden_asks.append(f"{name}: {request.upstream_id} is not there")
        if link in refills and not taken and request.state != "unknown":
            verdict.hidden_asks.append(f"{name}: {refills[link]} is there")
    verdict.hidden_asks += [
        f"refill of {link} that nobody asked for" for link in refills if link not in asked
    ]


def judge_naive(run: str, truth: list[dict[str, Any]]) -> dict[str, int]:
    """The control's own sums: it has no unknown, so every order is sent, canceled or failed."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT link, state FROM naive_order WHERE run = %s", [run])
        rows = dict(cursor.fetchall())
    there = Counter(line["link"] for line in truth if line["event"] == "order" and line["link"] in rows)
    return {
        "orders": len(rows),
        "upstream": there.total(),
        "doubles": sum(count > 1 for count in there.values()),
        "false_refunds": sum(
            state in ("failed", "canceled") and there[link] > 0 for link, state in rows.items()
        ),
    }


def _owed(order: Any, ids: list[str], ends: dict[str, dict[str, Any]]) -> bool:
    """Whether what was given back is what the provider's own book says was not delivered."""
    if not ids:
        return bool(order.submission.state in ("rejected", "withdrawn")) and order.refunded == order.charge
    end = ends.get(order.submission.provider_order_id or "")
    if end is None:
        return False
    if end["status"] == "Canceled":
        return bool(order.refunded == order.charge)
    if end["status"] == "Partial":
        target = (
            order.charge
            if end["remains"] >= order.total
            else refund_target(order.charge, end["remains"], order.total)
        )
        return bool(order.refunded == target)
    return False


def _drift() -> list[str]:
    from django.db.models import Sum

    from customers.models import Account, Transfer
    from orders.ledger_check import check_ledger
    from orders.models import Order

    report = check_ledger()
    found = [f"{row['invariant']} {row['id']}" for row in report.broken]
    for wallet in Account.objects.filter(kind="wallet"):
        # Not from transfers alone, as check_ledger does, but from what the orders say.
        paid = Order.objects.filter(user=wallet.user).aggregate(c=Sum("charge"), r=Sum("refunded"))
        put_in = Transfer.objects.filter(target=wallet, cause__startswith="deposit:").aggregate(
            s=Sum("amount")
        )
        zero = Decimal(0)
        expected = (put_in["s"] or zero) - (paid["c"] or zero) + (paid["r"] or zero)
        if wallet.balance != expected:
            found.append(f"wallet {wallet.pk}: {wallet.balance}, from its orders {expected}")
    return found
