from providers.models.policy import Denial
from providers.models.prices import ExchangeRate, MarkupRule, RateChange, SpecialRate
from providers.models.sale import Category, Favorite, Route, Service
from providers.models.upstream import CatalogChange, Offer, Provider
from providers.models.watch import Alert, BalanceReading, Lane, ProviderHour, Telling, TopUp

__all__ = [
    "Alert",
    "BalanceReading",
    "CatalogChange",
    "Category",
    "Denial",
    "ExchangeRate",
    "Favorite",
    "Lane",
    "MarkupRule",
    "Offer",
    "Provider",
    "ProviderHour",
    "RateChange",
    "Route",
    "Service",
    "SpecialRate",
    "Telling",
    "TopUp",
]
