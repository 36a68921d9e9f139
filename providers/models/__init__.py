from providers.models.prices import ExchangeRate, MarkupRule, SpecialRate
from providers.models.sale import Category, Favorite, Route, Service
from providers.models.upstream import CatalogChange, Offer, Provider
from providers.models.watch import Alert, BalanceReading, Lane

__all__ = [
    "Alert",
    "BalanceReading",
    "CatalogChange",
    "Category",
    "ExchangeRate",
    "Favorite",
    "Lane",
    "MarkupRule",
    "Offer",
    "Provider",
    "Route",
    "Service",
    "SpecialRate",
]
