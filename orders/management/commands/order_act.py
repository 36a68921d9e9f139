from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.management.command_line import Command as Base
from customers.models import User
from orders import correcting, staff_decisions
from orders.models import Order, Submission
from orders.staff.refusals import REFUSALS


class Command(Base):
    help = (
        "What staff do to one order by hand: cancel it and return the charge, end it in part, send it by another route, "
        "write an internal note. In somebody's name, always."
    )
    verb = "order.settle"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("order", type=int)
        parser.add_argument("act", choices=["refund", "partial", "route", "note"])
        parser.add_argument("--reason", required=True, help="of a note: its words")
        parser.add_argument("--remains", type=int, help="of partial: how many were not delivered")
        parser.add_argument(
            "--offer", type=int, help="of route: the number of the offer, as `route SERVICE` lists it"
        )

    def verb_of(self, options: Mapping[str, Any]) -> str:
        verbs = {"route": "order.correct", "note": "order.note"}
        unsent = Submission.objects.filter(pk=options["order"], state__in=Submission.NOTHING_SENT_YET)
        if options["act"] == "refund" and unsent.exists():
            return "order.reject"
        return verbs.get(options["act"], self.verb)

    def handle(self, *args: Any, **options: Any) -> None:
        if self.by is None:
            raise CommandError("Name who does it with --by EMAIL.")
        order = Order.objects.select_related("submission").filter(pk=options["order"]).first()
        if order is None:
            raise CommandError(f"There is no order {options['order']}.")
        acts = {"refund": _refund, "partial": _partial, "route": _route, "note": _note}
        try:
            acts[options["act"]](order, self.by, options)
        except REFUSALS as error:
            raise CommandError(str(error)) from None
        order.refresh_from_db()
        answer = {
            "id": order.pk,
            "status": order.status,
            "remains": order.remains,
            "refunded": order.refunded,
        }
        self.say(answer, f"Order {order.pk} is {order.status}; {order.refunded:f} went back so far.")


def _refund(order: Order, by: User, options: Mapping[str, Any]) -> None:
    if order.submission.state in Submission.NOTHING_SENT_YET:
        correcting.reject(order.pk, reason=options["reason"], by=by)
    else:
        staff_decisions.refund_in_full(order.pk, reason=options["reason"], by=by)


def _partial(order: Order, by: User, options: Mapping[str, Any]) -> None:
    if options["remains"] is None:
        raise CommandError("Say with --remains how many were not delivered.")
    staff_decisions.settle_partial(order.pk, options["remains"], reason=options["reason"], by=by)


def _route(order: Order, by: User, options: Mapping[str, Any]) -> None:
    ways = correcting.ways_of(order, order.submission)
    way = next((way for way in ways if way.route.offer_id == options["offer"]), None)
    if way is None:
        there = ", ".join(f"{w.route.offer_id} ({w.route.offer.provider.name})" for w in ways) or "none"
        raise CommandError(f"Name another offer of its service with --offer: {there}.")
    correcting.change_route(
        order.pk, way.route.pk, seen=order.submission.offer_id, reason=options["reason"], by=by
    )


def _note(order: Order, by: User, options: Mapping[str, Any]) -> None:
    staff_decisions.write_note(order.pk, options["reason"], by=by)
