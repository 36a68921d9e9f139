"""action=services and action=balance: the price list at the customer's own rates, and what he can spend."""

from django.conf import settings

from customers.models import ApiKey
from customers.wallet import balance_of
from orders.api.parsing import Parameters
from orders.api.shapes import Answer, plain, service_line
from providers.browsing import offered
from providers.models import Category
from providers.rates import CustomerRates

# What a line and its rate are made of. Of thousands of services every field more, and an object for the category of
# each, would be noticed.
_NEEDED = (
    "name", "service_type", "category_id", "minimum", "maximum", "refill", "cancel", "dripfeed",
    "rate", "cost_rate", "pinned_rate", "below_cost_reason",
)  # fmt: skip


def services(key: ApiKey, _parameters: Parameters) -> Answer:
    rates = CustomerRates(key.user)
    found = list(offered().select_related(None).only(*_NEEDED))
    categories = dict(Category.objects.values_list("pk", "name"))
    return [
        service_line(service, categories.get(service.category_id, ""), rates.rate(service))
        for service in found
    ]


def balance(key: ApiKey, _parameters: Parameters) -> Answer:
    return {"balance": plain(balance_of(key.user)), "currency": settings.CURRENCY}
