"""action=services and action=balance: the price list at the customer's own rates, and what he can spend."""

from django.conf import settings

from customers.models import ApiKey
from customers.wallet import balance_of
from orders.api.parsing import Parameters
from orders.api.shapes import Answer, plain, service_line
from providers.browsing import offered
from providers.rates import CustomerRates


def services(key: ApiKey, _parameters: Parameters) -> Answer:
    rates = CustomerRates(key.user)
    return [service_line(service, rates.rate(service)) for service in offered()]


def balance(key: ApiKey, _parameters: Parameters) -> Answer:
    return {"balance": plain(balance_of(key.user)), "currency": settings.CURRENCY}
