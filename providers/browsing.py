"""What a customer can order now, at his own rates: the price list, its search, the picker of the order form.

The list and providers.pricing agree with orders.placing: a service without a usable route is not shown.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache

from django.db.models import Case, Count, Exists, IntegerField, OuterRef, Q, QuerySet, Subquery, Value, When
from django.utils.translation import gettext as _

from customers.models import User
from providers import price_history
from providers.models import Favorite, Route, Service
from providers.price_history import Moved, Price
from providers.rates import CustomerRates

LARGEST_ID = 2**63 - 1


@dataclass(frozen=True)
class Wanted:
    """What a visitor asked to see. `words` is a service number or words of its name."""

    words: str = ""
    category: int | None = None
    favorites: bool = False
    refill: bool = False
    cancel: bool = False
    changed: bool = False  # only those whose price for him changed lately

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "Wanted":
        category = query.get("category", "")
        return cls(
            words=query.get("q", "").replace("\0", "").strip()[:200],
            category=number_of(category),
            favorites=query.get("favorites") == "1",
            refill=query.get("refill") == "1",
            cancel=query.get("cancel") == "1",
            changed=query.get("changed") == "1",
        )

    @property
    def narrowed(self) -> bool:
        return self != Wanted()


@dataclass(frozen=True)
class Line:
    """A service as one customer sees it. `rate` is per 1000 (per order for packages), 8 places."""

    service: Service
    rate: Decimal
    favorite: bool
    prices: list[Price] = field(default_factory=list)  # newest first; only the price list asks for them
    moved: Moved | None = None

    @property
    def time(self) -> str:
        return about(self.service.median_seconds)


def number_of(text: str) -> int | None:
    """The number of a row, or None: `#12`, `12`; never a number that PostgreSQL could not compare."""
    digits = text.strip().lstrip("#")
    number = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 19 else None
    return number if number is not None and number <= LARGEST_ID else None


def offered() -> QuerySet[Service]:
    """Everything on sale with a usable route, in the order of the price list; ready for CustomerRates."""
    return _offered().all()


@cache
def _offered() -> QuerySet[Service]:
    """The question, put together once and never asked itself: each page asks copies of it, four or five."""
    usable = Route.objects.filter(
        service=OuterRef("pk"),
        enabled=True,
        offer__gone_at=None,
        offer__on_hold="",
        offer__provider__archived_at=None,
        offer__service_type=OuterRef("service_type"),
        offer__provider__stopped="",
    )
    first_provider = usable.order_by("position", "id").values("offer__provider_id")[:1]
    # Whether there is a route is asked with EXISTS, which PostgreSQL answers for all services in one join; which one
    # comes first is looked up for the rows of the page alone.
    return (
        Service.objects.filter(Exists(usable), published=True, off_sale="")
        .annotate(route_provider_id=Subquery(first_provider))
        .select_related("category")
    )


def matching(user: User, wanted: Wanted, changed: Collection[int] | None = None) -> QuerySet[Service]:
    """The offered services that fit; one whose number was typed comes first. `changed`: those of price_changes."""
    found = offered()
    if wanted.changed:
        found = found.filter(pk__in=price_changes(user) if changed is None else changed)
    if wanted.category:
        found = found.filter(category_id=wanted.category)
    if wanted.favorites:
        found = found.filter(pk__in=Favorite.objects.filter(user=user).values("service_id"))
    if wanted.refill:
        found = found.filter(refill=True)
    if wanted.cancel:
        found = found.filter(cancel=True)
    words = Q()
    for word in wanted.words.split():
        words &= Q(name__icontains=word) | Q(category__name__icontains=word)
    number = number_of(wanted.words)
    if number is None:
        return found.filter(words)
    exact_first = Case(When(pk=number, then=Value(0)), default=Value(1), output_field=IntegerField())
    return found.filter(words | Q(pk=number)).order_by(exact_first, *Service._meta.ordering or ())


def lines(user: User, services: Iterable[Service], rates: CustomerRates | None = None) -> list[Line]:
    """Services with this customer's rates and stars; at most four queries for any number of them."""
    listed = list(services)
    rates = rates or CustomerRates(user)
    starred = set(Favorite.objects.filter(user=user, service__in=listed).values_list("service_id", flat=True))
    return [Line(service, rates.rate(service), service.pk in starred) for service in listed]


def lines_with_prices(
    user: User, services: Iterable[Service], rates: CustomerRates | None = None
) -> list[Line]:
    """As `lines`, each with what it cost this customer before; one query more."""
    rates = rates or CustomerRates(user)
    listed = lines(user, services, rates)
    past = price_history.histories(rates, [line.service for line in listed])
    moves = price_history.moved(past)
    return [
        replace(line, prices=past.get(line.service.pk, []), moved=moves.get(line.service.pk))
        for line in listed
    ]


def price_changes(user: User, rates: CustomerRates | None = None) -> dict[int, Moved]:
    """The services on sale whose price for this customer changed in the last days; four queries, two or one if none did."""
    changes = price_history.recent_changes()
    if not changes:
        return {}
    services = offered().filter(pk__in=changes).select_related(None).only(*price_history.NEEDED)
    return price_history.moved(price_history.histories(rates or CustomerRates(user), services, changes))


def line(user: User, service_id: int) -> Line | None:
    """One offered service, or None where it cannot be ordered now."""
    found = lines(user, offered().filter(pk=service_id))
    return found[0] if found else None


@dataclass(frozen=True)
class Shelf:
    """A category with the number of services on sale in it."""

    id: int
    name: str
    size: int


def shelves() -> list[Shelf]:
    rows = (
        offered()
        .order_by("category__position", "category__name")
        .values_list("category_id", "category__name")
        .annotate(size=Count("pk"))
    )
    return [Shelf(*row) for row in rows]


def first_of(
    found: QuerySet[Service], wanted: Wanted, shelves: list[Shelf], start: int, stop: int
) -> QuerySet[Service]:
    """Rows `start` to `stop` of what `matching` found, reading only the categories that hold them where it can.

    Where nothing narrows the list, the sizes of the shelves say which categories these rows are in, so that
    a price list of thousands is not sorted for one page of it. A service that comes or goes between the two reads moves
    a row by one place, as it does between two pages.
    """
    if wanted.narrowed:
        return found[start:stop]
    begins, passed, shown = 0, 0, []
    for shelf in shelves:
        ends = begins + shelf.size
        if ends <= start:
            passed = ends
        elif begins < stop:
            shown.append(shelf.id)
        begins = ends
    return found.filter(category_id__in=shown)[start - passed : stop - passed]


def toggle_favorite(user: User, service_id: int) -> bool:
    """Star or unstar; returns whether it is a favorite now. A service that does not exist raises DoesNotExist."""
    service = Service.objects.only("pk").get(pk=service_id)
    removed, _rows = Favorite.objects.filter(user=user, service=service).delete()
    if removed:
        return False
    Favorite.objects.get_or_create(user=user, service=service)
    return True


def about(seconds: int | None) -> str:
    """A median in its largest unit: `40 min`, `14 h`, `2 d`; empty where there are too few orders to say."""
    if seconds is None:
        return ""
    if seconds >= 36 * 3600:
        return _("%d d") % round(seconds / 86_400)
    if seconds >= 90 * 60:
        return _("%d h") % round(seconds / 3600)
    return _("%d min") % max(1, round(seconds / 60))
