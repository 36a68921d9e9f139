"""action=services and action=balance: the price list at the customer's own rates, and what he can spend."""

from operator import attrgetter
from typing import Any

from django.conf import settings

from customers.models import ApiKey
from customers.wallet import balance_of
from orders.api.parsing import Parameters
from orders.api.shapes import Answer, plain, service_line
from providers.browsing import offered
from providers.models import Category
from providers.rates import CustomerRates

# What a line and its rate are made of. They are read as plain rows: of thousands of services an object for each would cost
# more than everything else together.
_NEEDED = (
    "pk", "name", "service_type", "category_id", "minimum", "maximum", "refill", "cancel", "dripfeed",
    "rate", "cost_rate", "pinned_rate", "below_cost_reason",
)  # fmt: skip


def services(key: ApiKey, _parameters: Parameters) -> Answer:
    rates = CustomerRates(key.user)
    needed = (*_NEEDED, "route_provider_id") if rates.asks_for_provider else _NEEDED
    rows: list[Any] = list(offered().values_list(*needed, named=True))
    categories = dict(Category.objects.values_list("pk", "name"))
    rate_of = attrgetter("rate") if rates.as_listed else rates.rate
    return [service_line(row, categories.get(row.category_id, ""), rate_of(row)) for row in rows]


def balance(key: ApiKey, _parameters: Parameters) -> Answer:
    return {"balance": plain(balance_of(key.user)), "currency": settings.CURRENCY}
