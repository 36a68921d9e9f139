from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.audit import record
from customers.management.command_line import Command as Base
from customers.site_settings import load
from providers.alerts import ClosesByItself, close_by_hand
from providers.management.choosing import numbers
from providers.models import Alert
from providers.telling import send_tests

SHOWN = 1000


class Command(Base):
    help = "What a person must know: list the open alerts, close one by its number, test (a notice to the operators)."
    verb = "alert.close"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("act", nargs="?", default="list", choices=["list", "close", "test"])
        parser.add_argument("alert", nargs="?", help="its number, to close it")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["act"] == "close":
            self._close(options["alert"])
        elif options["act"] == "test":
            self._test()
        else:
            rows = Alert.objects.filter(closed_at=None).select_related("provider")
            for alert in rows.order_by("-at_risk", "-last_at")[:SHOWN]:
                self._tell(alert)

    def _close(self, number: str | None) -> None:
        alert = Alert.objects.filter(pk__in=numbers([number] if number else [], "alert")).first()
        if alert is None:
            raise CommandError(f"There is no alert {number}." if number else "Say which one, by its number.")
        try:
            close_by_hand(alert, by=self.by)
        except ClosesByItself as error:
            raise CommandError(str(error)) from None
        alert.refresh_from_db()
        self._tell(alert)

    def _test(self) -> None:
        results = send_tests(load())
        record(self.by, "alert.test", "alerts", "Test notice sent", {"results": dict(results)})
        if not results:
            raise CommandError("Nobody is told of alerts yet. Set up an address in Settings first.")
        for channel, failure in results:
            self.say({"channel": channel, "error": failure}, f"{channel}: {failure or 'the test was sent.'}")
        if any(failure for _channel, failure in results):
            raise CommandError("Not every channel took the test.")

    def _tell(self, alert: Alert) -> None:
        told = {
            "id": alert.pk,
            "level": alert.level,
            "text": alert.text,
            "provider": alert.provider.name if alert.provider else None,
            "order": alert.order_number,
            "at_risk": alert.at_risk,
            "count": alert.count,
            "opened_at": alert.opened_at,
            "last_at": alert.last_at,
            "closed_at": alert.closed_at,
        }
        times = f" ({alert.count} times)" if alert.count > 1 else ""
        self.say(told, f"{alert.pk}. {alert.level}: {alert.text}{times}{', closed' * bool(alert.closed_at)}")
