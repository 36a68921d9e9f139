from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.management.command_line import Command as Base
from providers import routes
from providers.management.choosing import chosen, chosen_service
from providers.management.simulations import tell_effect
from providers.models import Offer, Route, Service
from providers.refused import NotRefused, sell_again
from providers.service_effects import effect_of_routes

ACTS = ["show", "add", "first", "up", "down", "on", "off", "remove", "cheapest", "again"]


class Command(Base):
    help = (
        "By which offers a service is delivered: show, add, first (move it there), up, down, on, off, remove, "
        "cheapest (put the cheapest first), again (sell by an offer that the provider refused). Open orders stay where"
        " they are."
    )
    verb = "service.edit"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("service", type=int)
        parser.add_argument("act", nargs="?", default="show", choices=ACTS)
        parser.add_argument("provider", nargs="?", help="id or exact name")
        parser.add_argument("offer", nargs="?", help="the provider's service id")
        parser.add_argument("--dry-run", action="store_true", help="only say what it would do to the price")

    def handle(self, *args: Any, **options: Any) -> None:
        service = chosen_service(options["service"])
        act = {"first": "move"}.get(options["act"], options["act"])
        try:
            if options["dry_run"] and act != "show":
                offer = None if act == "cheapest" else _offer(options)
                tell_effect(self, effect_of_routes(service, routes.shape_after(service, act, offer)))
                return
            self._act(service, options)
        except (routes.CannotRoute, NotRefused) as error:
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
            routes.cheapest_first(service, by=self.by)
        elif act in ("add", "first"):
            route_by = routes.add_route if act == "add" else routes.move_to_offer
            route_by(service, _offer(options), by=self.by)
        elif act != "show":
            route = service.routes.select_related("offer__provider").filter(offer=_offer(options)).first()
            if route is None:
                raise CommandError("This offer is none of its routes.")
            self._act_on(route, act)

    def _act_on(self, route: Route, act: str) -> None:
        if act in ("up", "down"):
            routes.move_route(route, -1 if act == "up" else 1, by=self.by)
        elif act in ("on", "off"):
            routes.switch_route(route, act == "on", by=self.by)
        elif act == "again":
            sell_again(route.offer, by=self.by)
        else:
            routes.remove_route(route, by=self.by)


def _offer(options: dict[str, Any]) -> Offer:
    if not options["provider"] or not options["offer"]:
        raise CommandError("Name the provider and its service id.")
    provider = chosen(options["provider"])
    offer = Offer.objects.filter(provider=provider, external_id=options["offer"]).first()
    if offer is None:
        raise CommandError(f"{provider.name} has no service {options['offer']}.")
    return offer
