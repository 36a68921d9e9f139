"""What a change of markup rules, exchange rates, a pinned price or a route would do, before anybody applies it.

Reads only; not one row is written.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from customers.figures import count
from providers.exchange import exchange_rates
from providers.models import MarkupRule, Service
from providers.pricing import charge_for, margin_percent
from providers.rates import RuleBook
from providers.repricing import Priced, Supply, price, priced_by, supplies_of
from providers.service_types import TYPES
from providers.tallied import ALWAYS, asked, day_of, tallies, units_and_gaps

ZERO = Decimal(0)
LARGE_RISE = Decimal(20)  # percent
SOLD_DAYS = 30


@dataclass(frozen=True)
class Effect:
    """One service now and as it would be; rates per 1000 (or per order), margins in percent of the price.

    `profit_change`: panel currency, on the last 30 days' orders had the new price been live.
    """

    service_id: int
    name: str
    cost: Decimal
    price_now: Decimal
    new_price: Decimal
    below_cost: bool
    off_sale: str
    profit_change: Decimal
    cost_before: Decimal | None = None  # where the cost changes as well
    units: int = 0  # ordered in the last 30 days, orders where it is priced per order

    @property
    def change_percent(self) -> Decimal | None:
        if not self.price_now:
            return None
        return ((self.new_price - self.price_now) / self.price_now * 100).quantize(Decimal("0.1"))

    @property
    def margin_before(self) -> Decimal | None:
        return margin_percent(self.price_now, self.cost if self.cost_before is None else self.cost_before)

    @property
    def margin_after(self) -> Decimal | None:
        return margin_percent(self.new_price, self.cost)


@dataclass(frozen=True)
class Simulation:
    """`rows`: the services that the rule would price, or no longer would. The averages are over these."""

    rows: tuple[Effect, ...]
    touched: int
    changed: int
    below_cost: int
    large_rises: int
    average_margin_before: Decimal | None
    average_margin_after: Decimal | None
    profit_change: Decimal

    @property
    def sentence(self) -> str:
        """`3 services on sale are touched, 2 get another price: 1 would be below cost; …`"""
        if not self.touched:
            return _("No service on sale is touched: no price changes.")
        parts = []
        if self.below_cost:
            below = ngettext("%(n)s would be below cost", "%(n)s would be below cost", self.below_cost)
            parts.append(below % {"n": count(self.below_cost)})
        if off_sale := sum(1 for row in self.rows if row.off_sale):
            off = ngettext("%(n)s would be off sale", "%(n)s would be off sale", off_sale)
            parts.append(off % {"n": count(off_sale)})
        if self.large_rises:
            parts.append(rises_words(self.large_rises))
        if self.average_margin_before is not None and self.average_margin_after is not None:
            parts.append(margin_words(self.average_margin_before, self.average_margin_after))
        services = ngettext(
            "%(n)s service on sale is touched", "%(n)s services on sale are touched", self.touched
        ) % {"n": count(self.touched)}
        gets = ngettext("%(n)s gets another price", "%(n)s get another price", self.changed) % {
            "n": count(self.changed)
        }
        return f"{services}, {gets}: {'; '.join([*parts, profit_words(self.profit_change)])}."


def rises_words(number: int) -> str:
    words = ngettext(
        "%(n)s would get dearer by more than %(percent)s",
        "%(n)s would get dearer by more than %(percent)s",
        number,
    )
    return words % {"n": count(number), "percent": f"{LARGE_RISE:f} %"}


def margin_words(before: Decimal, after: Decimal) -> str:
    figures = {"before": f"{before} %", "after": f"{after} %"}
    return _("the average margin goes from %(before)s to %(after)s") % figures


def profit_words(change: Decimal) -> str:
    """What a change would have done to the profit of the last days; `change` in the panel's currency."""
    figures = {"days": SOLD_DAYS, "amount": f"{abs(change):.2f} {settings.CURRENCY}"}
    if change > 0:
        words = _("on the orders of the last %(days)s days the profit would have been %(amount)s higher")
    elif change < 0:
        words = _("on the orders of the last %(days)s days the profit would have been %(amount)s lower")
    else:
        words = _("on the orders of the last %(days)s days the profit would have been the same")
    return words % figures


def simulate_rule(
    rule: MarkupRule,
    *,
    replaces: MarkupRule | None = None,
    removed: bool = False,
    published_only: bool = True,
) -> Simulation:
    """The effect of saving `rule` (not saved yet, or changed in memory), instead of `replaces` if given.

    `removed`: the effect of deleting or disabling it instead. Prices of the rule's own price list.
    """
    now_book = RuleBook(rule.price_group_id)
    then_book = RuleBook.of(_rules_then(rule, replaces, removed))
    list_book = RuleBook() if rule.price_group_id else None
    exchange, sold = exchange_rates(), units_on_list(rule.price_group_id)
    names = dict(_services(published_only).order_by().values_list("pk", "name"))
    rows = []
    for supply in supplies_of(_services(published_only)):
        place = (supply.service_id, supply.category_id, supply.provider_id)
        before_rule, after_rule = now_book.rule_for(*place), then_book.rule_for(*place)
        if after_rule is not rule and (before_rule is None or before_rule.pk not in (rule.pk, _pk(replaces))):
            continue
        elsewhere = list_book.rule_for(*place) if list_book else None
        before = priced_by(supply, before_rule or elsewhere, exchange)
        after = priced_by(supply, after_rule or elsewhere, exchange)
        rows.append(
            Effect(
                service_id=supply.service_id,
                name=names.get(supply.service_id, ""),
                cost=after.cost_rate,
                price_now=supply.rate if not list_book else before.rate,
                new_price=after.rate,
                below_cost=after.rate < after.cost_rate,
                off_sale=after.off_sale,
                profit_change=profit_change(
                    supply.service_type,
                    *_gains(before.rate - before.cost_rate, after, was_off_sale=bool(supply.off_sale)),
                    sold.get(supply.service_id, (0, 0)),
                ),
            )
        )
    return summed(rows)


def _gains(before: Decimal, after: Priced, *, was_off_sale: bool) -> tuple[Decimal, Decimal]:
    """What is left of 1000, or of an order, before and after. What a change takes off sale would not have been ordered;
    what is off sale either way leaves nothing twice."""
    if after.off_sale:
        return (ZERO if was_off_sale else before), ZERO
    return before, after.rate - after.cost_rate


def simulate_service_rules(rules: Sequence[MarkupRule], removed: Collection[int] = ()) -> Simulation:
    """The effect of these rules of single services (standard list) in place of those that the services have now, and
    of no rule at all for the services `removed`. Over the published ones among them."""
    ids = [*(rule.service_id for rule in rules if rule.service_id), *removed]
    others = MarkupRule.objects.filter(enabled=True, price_group=None).exclude(
        scope=MarkupRule.Scope.SERVICE, service__in=ids
    )
    then = RuleBook.of([*others, *(rule for rule in rules if rule.enabled)])
    supplies = supplies_of(Service.objects.filter(pk__in=ids, published=True))
    return compared([(supply, supply) for supply in supplies], book=then, exchange=exchange_rates())


def compared(
    pairs: Sequence[tuple[Supply, Supply]], *, book: RuleBook, exchange: Mapping[str, Decimal]
) -> Simulation:
    """Services as they are sold now, and as they would be with this supply under these rules and exchange rates."""
    names = dict(
        Service.objects.filter(pk__in=[now.service_id for now, _ in pairs]).values_list("pk", "name")
    )
    sold = units_sold([now.service_id for now, _ in pairs]) if pairs else {}
    rows = []
    for now, then in pairs:
        after = price(then, book, exchange)
        units, orders = sold.get(now.service_id, (0, 0))
        gains = _gains(now.rate - now.cost_rate, after, was_off_sale=bool(now.off_sale))
        rows.append(
            Effect(
                service_id=now.service_id,
                name=names[now.service_id],
                cost=after.cost_rate,
                price_now=now.rate,
                new_price=after.rate,
                below_cost=after.rate < after.cost_rate,
                off_sale=after.off_sale,
                profit_change=profit_change(then.service_type, *gains, (units, orders)),
                cost_before=now.cost_rate,
                units=orders if TYPES[now.service_type].per_order else units,
            )
        )
    return summed(rows)


def _services(published_only: bool) -> QuerySet[Service]:
    return Service.objects.filter(published=True) if published_only else Service.objects.all()


def _pk(rule: MarkupRule | None) -> int | None:
    return rule.pk if rule else None


def _rules_then(rule: MarkupRule, replaces: MarkupRule | None, removed: bool) -> list[MarkupRule]:
    others = MarkupRule.objects.filter(enabled=True, price_group_id=rule.price_group_id)
    others = others.exclude(pk__in=[pk for pk in (rule.pk, _pk(replaces)) if pk])
    return [*others, *([] if removed or not rule.enabled else [rule])]


# Tallies keep what was placed; what was canceled of it since, whenever that was, has an index of its own (order_canceled).
def _sold(key: str = "", service: str = "") -> str:
    """SQL: (service, units, orders). `key`, `service`: narrow the tallies and the orders to some services."""
    return f"""
        WITH {units_and_gaps(keyed=True)}
        SELECT service_id, sum(units), sum(orders) FROM (
            SELECT r.key AS service_id, r.units, r.orders
            FROM {tallies(1, key)} WHERE r.orders > 0
            UNION ALL
            SELECT o.service_id, o.total, 1 FROM gaps CROSS JOIN LATERAL (
                SELECT service_id, total FROM orders_order
                WHERE created_at >= gaps.lo AND created_at < gaps.hi {service} OFFSET 0) o
            UNION ALL
            SELECT service_id, -total, -1 FROM orders_order WHERE status = 'Canceled' AND created_at >= %(start)s {service}
        ) AS counted GROUP BY service_id HAVING sum(orders) > 0
    """


_SOLD = _sold()
_SOLD_OF_SOME = _sold("AND t.key = ANY(%(services)s)", "AND service_id = ANY(%(services)s)")
_FEW = 500  # services; above that the tallies of all are read quicker than those of each


def units_sold(services: Collection[int] | None = None) -> dict[int, tuple[int, int]]:
    """service id → (units, orders) of the last 30 days, from a midnight (UTC) on, that were not canceled. One query.

    `services`: only those are wanted. It adds up tallies and the last hour or so, so that its cost follows the number of
    services, not of orders.
    """
    values = asked(day_of(timezone.now() - timedelta(days=SOLD_DAYS)), ALWAYS)
    few = services is not None and len(services) <= _FEW
    with connection.cursor() as cursor:
        cursor.execute(_SOLD_OF_SOME if few else _SOLD, values | {"services": list(services or ())})
        return {service: (int(units), int(orders)) for service, units, orders in cursor.fetchall()}


# The orders of some people: of each the newest by the index of his own, back to the number with which the days began
# (numbers and times rise together, but for those that were placed at once).
_BOUGHT = """
    WITH first AS (SELECT coalesce((SELECT id FROM orders_order WHERE created_at >= %(start)s ORDER BY created_at LIMIT 1), 0) - 1000 AS id)
    SELECT o.service_id, sum(o.total), count(*) FROM customers_user u CROSS JOIN LATERAL (
        SELECT service_id, total FROM orders_order
        WHERE user_id = u.id AND id > (SELECT id FROM first) AND created_at >= %(start)s AND status <> 'Canceled' OFFSET 0) o
    WHERE {who} GROUP BY o.service_id
"""
# A rate agreed for one customer alone follows no list.
_AGREED = "EXISTS (SELECT FROM providers_specialrate s WHERE s.user_id = u.id AND s.service_id = o.service_id AND s.rate IS NOT NULL)"
_BY_HIM = _BOUGHT.format(who="u.id = %(customer)s")
_BY_THE_LIST = _BOUGHT.format(who=f"u.price_group_id = %(group)s AND NOT {_AGREED}")
_BESIDE_THE_STANDARD_LIST = _BOUGHT.format(
    who="(u.price_group_id IS NOT NULL OR u.id IN (SELECT user_id FROM providers_specialrate WHERE rate IS NOT NULL))"
    f" AND (u.price_group_id IS NOT NULL OR {_AGREED})"
)


def units_on_list(group_id: int | None) -> dict[int, tuple[int, int]]:
    """As units_sold, of those who pay by this price list; None: the standard list. Two queries at most.

    Who pays by a list now is taken to have paid by it all the time.
    """
    if group_id is not None:
        return _bought(_BY_THE_LIST, group=group_id)
    sold = units_sold()
    for service, (units, orders) in _bought(_BESIDE_THE_STANDARD_LIST).items():
        all_units, all_orders = sold.get(service, (units, orders))
        sold[service] = (max(all_units - units, 0), max(all_orders - orders, 0))
    return sold


def units_bought(customer_id: int) -> dict[int, tuple[int, int]]:
    """As units_sold, of one customer. One query."""
    return _bought(_BY_HIM, customer=customer_id)


def _bought(statement: str, **of: int) -> dict[int, tuple[int, int]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, of | {"start": day_of(timezone.now() - timedelta(days=SOLD_DAYS))})
        return {service: (int(units), int(orders)) for service, units, orders in cursor.fetchall()}


def profit_change(service_type: str, before: Decimal, after: Decimal, sold: tuple[int, int]) -> Decimal:
    """What these (units, orders) would have brought more at a rate of `after` instead of `before`; 6 places."""
    units, orders = sold
    if not units:
        return ZERO
    per_order = TYPES[service_type].per_order
    change = abs(after - before)
    amount = change * orders if per_order else charge_for(change, units, per_order=False)
    return amount if after >= before else -amount


def summed(rows: Iterable[Effect]) -> Simulation:
    """The services with their sums and averages."""
    rows = tuple(rows)
    return Simulation(
        rows=rows,
        touched=len(rows),
        changed=sum(1 for row in rows if row.new_price != row.price_now),
        below_cost=sum(1 for row in rows if row.below_cost),
        large_rises=sum(1 for row in rows if (row.change_percent or ZERO) > LARGE_RISE),
        average_margin_before=_average([row.margin_before for row in rows]),
        average_margin_after=_average([row.margin_after for row in rows]),
        profit_change=sum((row.profit_change for row in rows), ZERO),
    )


def _average(margins: list[Decimal | None]) -> Decimal | None:
    known = [margin for margin in margins if margin is not None]
    return (sum(known, ZERO) / len(known)).quantize(Decimal("0.1")) if known else None
