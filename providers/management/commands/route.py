from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.management.command_line import Command as Base
from providers.management.choosing import chosen
from providers.models import Offer, Service
from providers.routes import CannotRoute, add_route, cheapest_first, move_to_offer, remove_route


class Command(Base):
    help = "By which offers a service is delivered: show, add, first (move it there), remove, cheapest."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("service", type=int)
        parser.add_argument(
            "act", nargs="?", default="show", choices=["show", "add", "first", "remove", "cheapest"]
        )
        parser.add_argument("provider", nargs="?", help="id or exact name")
        parser.add_argument("offer", nargs="?", help="the provider's service id")

    def handle(self, *args: Any, **options: Any) -> None:
        service = Service.objects.filter(pk=options["service"]).first()
        if service is None:
            raise CommandError(f"There is no service {options['service']}.")
        try:
            self._act(service, options)
        except CannotRoute as error:
            raise CommandError(str(error)) from None
        for place, route in enumerate(service.routes.select_related("offer__provider"), 1):
            offer = route.offer
            told = {
                "place": place,
                "provider": offer.provider.name,
                "offer": offer.external_id,
                "rate": offer.rate,
                "currency": offer.provider.currency,
                "enabled": route.enabled,
            }
            off = "" if route.enabled else ", switched off"
            text = f"{place}. {offer.provider.name} {offer.external_id}: {offer.rate.normalize():f} {offer.provider.currency}{off}"
            self.say(told, text)

    def _act(self, service: Service, options: dict[str, Any]) -> None:
        act = options["act"]
        if act == "cheapest":
            cheapest_first(service)
        elif act != "show":
            if not options["provider"] or not options["offer"]:
                raise CommandError("Name the provider and its service id.")
            provider = chosen(options["provider"])
            offer = Offer.objects.filter(provider=provider, external_id=options["offer"]).first()
            if offer is None:
                raise CommandError(f"{provider.name} has no service {options['offer']}.")
            if act == "add":
                add_route(service, offer)
            elif act == "first":
                move_to_offer(service, offer)
            else:
                route = service.routes.filter(offer=offer).first()
                if route is None:
                    raise CommandError("This offer is none of its routes.")
                remove_route(route)
