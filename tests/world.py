"""A small shared world: Alice and Bob order, Rita reviews, Adam manages; one provider with a few services.

Everything is made through the models and acts of the panel; `sane()` checks the books at a test's end.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from customers import wallet
from customers.models import Transfer, User
from orders.ledger_check import check_ledger
from orders.models import Order, Submission
from orders.placing import place_order
from providers.models import Category, Offer, Provider, Route, Service

PASSWORD = "correct horse battery staple"


def customer(email: str = "alice@example.org", balance: str | Decimal = "100", **fields: Any) -> User:
    """A customer with a confirmed e-mail and money in his wallet."""
    user = User.objects.create_user(email, PASSWORD, **fields)
    user.emailaddress_set.create(email=email, verified=True, primary=True)
    if Decimal(balance) > 0:
        wallet.deposit(user, Decimal(balance), f"deposit:world-{user.pk}", "Opening balance", "world")
    return user


def bob() -> User:
    return customer("bob@example.org")


def reviewer(email: str = "rita@example.org") -> User:
    return customer(email, "0", role=User.Role.REVIEWER, name="Rita Reviewer")


def admin(email: str = "adam@example.org") -> User:
    return customer(email, "0", role=User.Role.ADMIN, name="Adam Admin")


def provider(
    url: str = "https://provider.example/api/v2",
    key: str = "provider-key",
    name: str = "Meridian",
    **fields: Any,
) -> Provider:
    fields.setdefault("options", {"rate_per_minute": 0})
    return Provider.objects.create(name=name, api_url=url, key=key, **fields)


def offer(of: Provider, external_id: str = "1", **fields: Any) -> Offer:
    values: dict[str, Any] = {
        "name": "Display impressions, worldwide",
        "category": "Display",
        "type_raw": "Default",
        "service_type": "default",
        "rate": Decimal("1.00"),
        "minimum": 10,
        "maximum": 1_000_000,
        "refill": True,
        "cancel": True,
        "dripfeed": True,
    } | fields
    return Offer.objects.create(provider=of, external_id=external_id, **values)


def service(by: Offer, rate: str | Decimal = "2.00", **fields: Any) -> Service:
    """A published service that is delivered by one offer, at `rate` per 1000."""
    category, _ = Category.objects.get_or_create(name=by.category or "Other")
    values: dict[str, Any] = {
        "category": category,
        "name": by.name,
        "service_type": by.service_type,
        "minimum": by.minimum,
        "maximum": by.maximum,
        "refill": by.refill,
        "cancel": by.cancel,
        "dripfeed": by.dripfeed,
        "rate": Decimal(rate),
        "cost_rate": by.rate,
        "published": True,
    } | fields
    made = Service.objects.create(**values)
    Route.objects.create(service=made, offer=by)
    return made


def order(
    user: User, of: Service, link: str = "https://example.org/page", quantity: int = 1000, **raw: Any
) -> Order:
    """An order placed and paid as the web form would."""
    keywords = {
        name: raw.pop(name) for name in ("request_id", "reference", "shown_charge", "source") if name in raw
    }
    asked: Mapping[str, str] = {"link": link, "quantity": str(quantity)} | {
        name: str(value) for name, value in raw.items()
    }
    return place_order(user, of.pk, asked, **({"source": "web"} | keywords))


def state_of(of: Order) -> str:
    return Submission.objects.values_list("state", flat=True).get(pk=of.pk)


def transfers_of(order_number: int) -> list[Transfer]:
    """All money of one order, oldest first."""
    return list(Transfer.objects.filter(order_number=order_number).order_by("id"))


def sane() -> None:
    """The books are in order; every test that moves money ends with it."""
    report = check_ledger()
    assert report.ok, report.broken
