from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.models import F, Q

from customers.management.command_line import Command as Base
from providers.management.choosing import chosen
from providers.models import Route, Service
from providers.pricing import margin_percent
from providers.service_editing import EDITABLE

STATES = {
    "on": Q(published=True, off_sale=""),
    "off": Q(published=True) & ~Q(off_sale=""),
    "unpublished": Q(published=False),
    "below": Q(published=True, rate__lt=F("cost_rate")),
}


class Command(Base):
    help = "Our services with everything that an admin set, their price and cost: some by number, or all."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("service", nargs="*", type=int)
        parser.add_argument("--provider", help="those that it may deliver: id or exact name")
        parser.add_argument("--state", choices=list(STATES), help="below: on the list below cost")

    def handle(self, *args: Any, **options: Any) -> None:
        services = Service.objects.select_related("category")
        if numbers := options["service"]:
            services = services.filter(pk__in=numbers)
            if missing := set(numbers) - set(services.values_list("pk", flat=True)):
                raise CommandError(f"There is no service {', '.join(map(str, sorted(missing)))}.")
        if options["provider"]:
            offers = Route.objects.filter(offer__provider=chosen(options["provider"]))
            services = services.filter(pk__in=offers.values("service"))
        if options["state"]:
            services = services.filter(STATES[options["state"]])
        for service in services.iterator(500):
            answer = shown(service)
            if options["service"]:
                self.say(answer, "\n".join(f"{name}: {_text(value)}" for name, value in answer.items()))
            else:
                self.say(answer, line(service))


def shown(service: Service) -> dict[str, Any]:
    """Rates per 1000 (or per order) in the panel's currency; the margin in percent of the price."""
    own = {name: getattr(service, name) for name in EDITABLE if name != "category"}
    return {
        "id": service.pk,
        "category": service.category.name,
        **own,
        "type": service.service_type,
        "minimum": service.minimum,
        "maximum": service.maximum,
        "refill": service.refill,
        "cancel": service.cancel,
        "rate": service.rate,
        "cost": service.cost_rate,
        "margin": margin_percent(service.rate, service.cost_rate),
        "published": service.published,
        "on_sale": service.on_sale,
        "off_sale": service.off_sale,
    }


def line(service: Service) -> str:
    """One line: number, name, price, and why it cannot be ordered."""
    why = service.off_sale if service.published else "not on the list"
    return f"{service.pk}. {service.name}: {service.rate.normalize():f}{f' ({why})' if why else ''}"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None or value == "" else str(value)
