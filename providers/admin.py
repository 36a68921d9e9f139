"""The supply in the back office: read-only, and never a provider's key."""

from customers.back_office import register
from providers.models import (
    Alert,
    BalanceReading,
    CatalogChange,
    Category,
    ExchangeRate,
    Lane,
    MarkupRule,
    Offer,
    Provider,
    Route,
    Service,
    SpecialRate,
    TopUp,
)

register(
    Provider,
    ["id", "name", "adapter", "currency", "breaker", "paused_at", "balance", "last_error"],
    find=["name"],
    hidden=["key"],
)
register(
    Offer,
    ["id", "provider", "external_id", "name", "service_type", "rate", "gone_at"],
    find=["=external_id", "name"],
    by=["provider"],
    with_rows=["provider"],
)
register(
    CatalogChange,
    ["id", "provider", "external_id", "kind", "state", "beyond_limits", "found_at"],
    find=["=external_id"],
    by=["state", "kind", "provider"],
    with_rows=["provider"],
)
register(Category, ["id", "name", "position"], find=["name"])
register(
    Service,
    ["id", "name", "category", "rate", "cost_rate", "published", "off_sale"],
    find=["=id", "name"],
    by=["published"],
    with_rows=["category"],
)
register(Route, ["id", "service", "offer", "position", "enabled"], with_rows=["service", "offer"])
register(
    MarkupRule,
    ["id", "scope", "service", "category", "provider", "percent", "fixed", "enabled"],
    by=["scope"],
    with_rows=["service", "category", "provider"],
)
register(SpecialRate, ["id", "user", "service", "rate", "discount_percent"], with_rows=["user", "service"])
register(ExchangeRate, ["id", "currency", "rate", "date", "set_by"], with_rows=["set_by"])
register(
    BalanceReading, ["id", "provider", "at", "amount", "currency"], by=["provider"], with_rows=["provider"]
)
register(
    TopUp,
    ["id", "provider", "at", "amount", "currency", "reference", "by"],
    find=["=reference"],
    by=["provider"],
    with_rows=["provider", "by"],
)
register(Lane, ["id", "provider", "kind", "lease_until", "slow_since", "ran_at"], with_rows=["provider"])
register(
    Alert, ["id", "level", "text", "provider", "count", "opened_at", "closed_at"], with_rows=["provider"]
)
