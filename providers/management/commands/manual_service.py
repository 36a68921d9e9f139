from decimal import Decimal
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction
from django.db.models import QuerySet

from customers.management.command_line import Command as Base
from customers.management.command_line import decimal
from providers.connecting import MANUAL
from providers.handmade import FIELDS, InvalidOffer, change_offer, make_service, offer_on_or_off
from providers.management.choosing import chosen
from providers.models import Offer, Provider, Service
from providers.service_editing import InvalidService, change_service
from providers.service_types import TYPES

SHOWN = 1000


class Command(Base):
    help = "What staff deliver themselves: show, add, change, stop, resume the services of a provider without an API."
    verb = "service.edit"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("provider", help="id or exact name; its adapter is manual")
        parser.add_argument(
            "act", nargs="?", default="show", choices=["show", "add", "change", "stop", "resume"]
        )
        parser.add_argument("offer", nargs="?", help="its number there, as show prints it; none for add")
        parser.add_argument("--name")
        parser.add_argument("--category")
        parser.add_argument("--description")
        parser.add_argument(
            "--type", help="what customers fill in (default: default); chosen once, with add", dest="kind"
        )
        parser.add_argument("--minimum", type=int)
        parser.add_argument("--maximum", type=int)
        parser.add_argument(
            "--rate", help="what it costs, per 1000 (or per order), in the provider's currency (default 0)"
        )
        parser.add_argument(
            "--price",
            help="per 1000 (or per order), panel currency; the word rules, or none: the markup rules price it",
        )
        parser.add_argument("--refill", choices=["yes", "no"])
        parser.add_argument("--cancel", choices=["yes", "no"])

    def handle(self, *args: Any, **options: Any) -> None:
        provider = chosen(options["provider"])
        if provider.adapter != MANUAL:
            raise CommandError(f"{provider.name} has an API: its services are read from there.")
        try:
            self._act(provider, options)
        except (InvalidOffer, InvalidService) as error:
            raise CommandError(str(error)) from None

    def _act(self, provider: Provider, options: dict[str, Any]) -> None:
        act, given = options["act"], _given(options)
        if act == "add":
            if options["offer"]:
                raise CommandError("The number of a new service is chosen here: name none.")
            self._add(provider, given, options)
            return
        if options["kind"]:
            raise CommandError("The type of a service is chosen once, with add.")
        if act == "show" and not options["offer"]:
            for offer in _offers(provider).order_by("id")[:SHOWN]:
                self._tell(offer)
            return
        offer = _one(provider, options["offer"])
        if act == "change":
            with transaction.atomic():
                change_offer(offer, {name: getattr(offer, name) for name in FIELDS} | given, by=self.by)
                if options["price"] is not None:
                    change_service(_service_of(offer), {"pinned_rate": _price(options["price"])}, by=self.by)
        elif act in ("stop", "resume"):
            offer_on_or_off(offer, act == "resume", by=self.by)
        self._tell(_one(provider, offer.external_id))

    def _add(self, provider: Provider, given: dict[str, Any], options: dict[str, Any]) -> None:
        if not given.get("name"):
            raise CommandError("Give the new service a --name.")
        kind = options["kind"] or "default"
        one_each = kind in TYPES and TYPES[kind].counts == "one"
        values: dict[str, Any] = {
            "category": "",
            "description": "",
            "rate": decimal("0"),
            "minimum": 1,
            "maximum": 1 if one_each else 1000,
            "refill": False,
            "cancel": False,
        }
        price = _price(options["price"]) if options["price"] is not None else None
        made = make_service(provider, values | given, service_type=kind, price=price, by=self.by)
        self._tell(_one(provider, made.offer.external_id), made.why_not)

    def _tell(self, offer: Offer, why_not: str = "") -> None:
        route = next(iter(offer.routes.all()), None)
        service = route.service if route else None
        on_sale = bool(service and service.on_sale)
        why_not = "" if on_sale else why_not or _why_not(service)
        told = {
            "offer": offer.external_id,
            "service": service.pk if service else None,
            "name": offer.name,
            "category": offer.category,
            "type": offer.service_type,
            "minimum": offer.minimum,
            "maximum": offer.maximum,
            "rate": offer.rate,
            "price": service.rate if service else None,
            "pinned": bool(service and service.pinned_rate is not None),
            "refill": offer.refill,
            "cancel": offer.cancel,
            "offered": offer.gone_at is None,
            "on_sale": on_sale,
            "why_not": why_not,
        }
        number = f"service {service.pk}" if service else "no service"
        state = (
            f"on sale at {service.rate.normalize():f}" if service and on_sale else f"not on sale: {why_not}"
        )
        self.say(told, f"{offer.external_id}. {offer.name} ({number}): {state}")


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """The fields of an offer that were named, as handmade takes them."""
    given = {
        name: options[name]
        for name in ("name", "category", "description", "minimum", "maximum")
        if options[name] is not None
    }
    if options["rate"] is not None:
        given["rate"] = decimal(options["rate"], "rate")
    return given | {name: options[name] == "yes" for name in ("refill", "cancel") if options[name]}


def _price(text: str) -> Decimal | None:
    """A pinned price, or None where the markup rules shall price it."""
    return None if text.strip() == "rules" else decimal(text, "price")


def _offers(provider: Provider) -> QuerySet[Offer]:
    return Offer.objects.filter(provider=provider).prefetch_related("routes__service")


def _one(provider: Provider, number: str | None) -> Offer:
    if not number:
        raise CommandError("Say which of its services, by the number that show prints.")
    offer = _offers(provider).filter(external_id=number).first()
    if offer is None:
        raise CommandError(f"{provider.name} has no service {number}.")
    return offer


def _service_of(offer: Offer) -> Service:
    route = offer.routes.select_related("service").order_by("position", "id").first()
    if route is None:
        raise CommandError(f"No service is sold of {offer.name}, so there is no price to set.")
    return route.service


def _why_not(service: Service | None) -> str:
    if service is None:
        return "nothing is sold of it"
    if service.off_sale:
        return service.off_sale
    return "it is not published: publish_services puts it on sale"
