"""order_show ID [ID …]: everything about orders, a line each with --json."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.management.command_line import Command as Base
from orders.models import Order
from orders.showing import order_json


class Command(Base):
    help = "Show orders with their submission, money, attempts and events."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("orders", nargs="+", type=int, metavar="ID")

    def handle(self, *args: Any, **options: Any) -> None:
        orders = (
            Order.objects.select_related("user", "service", "submission__provider")
            .prefetch_related("events", "requests", "submission__attempts")
            .in_bulk(options["orders"])
        )
        for order_id in options["orders"]:
            if order := orders.get(order_id):
                self.say(order_json(order), self._text(order))
        missing = [str(order_id) for order_id in options["orders"] if order_id not in orders]
        if missing:
            raise CommandError(f"There is no order {', '.join(missing)}.")

    def _text(self, order: Order) -> str:
        at = order.submission.provider_order_id or "–"
        lines = [
            f"Order {order.pk}: {order.status}, submission {order.submission.state}, {order.submission.provider.name} order {at}",
            f"  {order.total} of service {order.service_id} for {order.link}, customer {order.user.email}",
            f"  charge {order.charge:f}, refunded {order.refunded:f}, cost {order.cost:f}, start {order.start_count}, remains {order.remains}",
        ]
        lines += [
            f"  {row.at:%Y-%m-%d %H:%M:%S} {row.actor}: {row.before} → {row.after} {row.why}"
            for row in order.events.all()
        ]
        return "\n".join(lines)
