"""Which rate a customer pays: a special rate, else his price group's rule, else the list rate."""

from collections.abc import Iterable
from decimal import Decimal

from customers.compiled import CompiledQuery
from customers.models import User
from providers.models import MarkupRule, Service, SpecialRate
from providers.pricing import Terms, discounted, sell_rate


def terms_of(rule: MarkupRule) -> Terms:
    return Terms(rule.percent, rule.fixed, rule.minimum, rule.rounding, rule.places, rule.ending)


class RuleBook:
    """The enabled rules of one price list, ready to answer which one prices a service; one query."""

    SCOPES = ("service", "category", "provider", "everything")

    def __init__(self, price_group_id: int | None = None) -> None:
        self.rules: dict[tuple[str, int | None], MarkupRule] = {}
        rules = MarkupRule.objects.filter(enabled=True, price_group_id=price_group_id)
        self._take(rules.order_by("position", "id"))

    @classmethod
    def of(cls, rules: Iterable[MarkupRule]) -> "RuleBook":
        """A book of these rules, saved or not; a new one comes after its equals in position."""
        book = cls.__new__(cls)
        book.rules = {}
        book._take(sorted(rules, key=lambda rule: (rule.position, rule.pk is None, rule.pk or 0)))
        return book

    def _take(self, rules: Iterable[MarkupRule]) -> None:
        for rule in rules:
            target = rule.service_id or rule.category_id or rule.provider_id
            self.rules.setdefault((rule.scope, target), rule)  # the lowest position wins

    @property
    def by_provider(self) -> bool:
        return any(scope == MarkupRule.Scope.PROVIDER for scope, _target in self.rules)

    def rule_for(
        self, service_id: int | None, category_id: int | None, provider_id: int | None
    ) -> MarkupRule | None:
        """The first match of service → category → provider → everything; None: there is no rule for it."""
        rules = self.rules
        for key in (("service", service_id), ("category", category_id), ("provider", provider_id)):
            if key[1] is not None and (rule := rules.get(key)):
                return rule
        return rules.get(("everything", None))


_special = CompiledQuery(
    lambda user, service: SpecialRate.objects.filter(user_id=user, service_id=service), user=-1, service=-2
)


class CustomerRates:
    """A customer's own rates for any number of services: at most two queries, then none.

    `provider_of(service)` is read from an annotation `route_provider_id` where the list has one. A service may be a row
    of its values as well, with pk, category_id, rate, cost_rate, pinned_rate and below_cost_reason.
    """

    def __init__(self, user: User, service_id: int | None = None) -> None:
        special = (
            SpecialRate.objects.filter(user=user)
            if service_id is None
            else _special(user=user.pk, service=service_id)
        )
        self.special = {row.service_id: row for row in special}
        self.book = RuleBook(user.price_group_id) if user.price_group_id else None

    @classmethod
    def of(cls, special: Iterable[SpecialRate], price_group_id: int | None) -> "CustomerRates":
        """What these terms would make of the list, saved or not; one query where there is a price group."""
        rates = cls.__new__(cls)
        rates.special = {row.service_id: row for row in special}
        rates.book = RuleBook(price_group_id) if price_group_id else None
        return rates

    @property
    def as_listed(self) -> bool:
        """Whether he pays the list rate for everything."""
        return not self.book and not self.special

    @property
    def asks_for_provider(self) -> bool:
        """Whether a rate of his may depend on who delivers."""
        return self.book is not None and self.book.by_provider

    def rate(self, service: Service, provider_id: int | None = None) -> Decimal:
        """Per 1000 (or per order), panel currency, 8 places. Never below cost unless the service allows it."""
        return self.rate_from(service, service.rate, service.cost_rate, provider_id)

    def rate_from(
        self, service: Service, rate: Decimal, cost_rate: Decimal, provider_id: int | None = None
    ) -> Decimal:
        """As `rate`, had the service this list rate and this cost (price history)."""
        provider_id = provider_id if provider_id is not None else getattr(service, "route_provider_id", None)
        if (
            self.book
            and service.pinned_rate is None
            and (rule := self.book.rule_for(service.pk, service.category_id, provider_id))
        ):
            rate = sell_rate(cost_rate, terms_of(rule), below_cost=bool(service.below_cost_reason))
        if special := self.special.get(service.pk):
            rate = (
                special.rate
                if special.rate is not None
                else discounted(rate, special.discount_percent or Decimal(0))
            )
            if rate < cost_rate and not service.below_cost_reason:
                rate = cost_rate
        return rate


def rate_for(user: User, service: Service, provider_id: int) -> Decimal:
    """As CustomerRates.rate for one service, without reading the customer's rates of all others."""
    return CustomerRates(user, service.pk).rate(service, provider_id)
