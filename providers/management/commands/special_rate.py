from typing import Any

from django.core.management.base import CommandError, CommandParser

from customers.management.command_line import Command as Base
from customers.management.command_line import counted, decimal, find_user
from providers.customer_effects import effect_of_copying, effect_of_ending, effect_of_special_rate
from providers.management.simulations import tell_effect
from providers.models import Service
from providers.special_rates import (
    InvalidRate,
    copy_special_rates,
    prices_of,
    reset_special_rates,
    set_special_rate,
)


class Command(Base):
    help = "A customer's own prices: show, set, copy from another customer, reset."
    verb = "customer.price"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("email")
        parser.add_argument("act", nargs="?", default="show", choices=["show", "set", "copy", "reset"])
        parser.add_argument("--service", type=int, help="service number; reset without it ends all")
        parser.add_argument("--rate", help="per 1000 (or per order), panel currency")
        parser.add_argument("--discount", help="percent off what he would pay")
        parser.add_argument("--from", dest="source", help="e-mail of the customer to copy from")
        parser.add_argument("--note", default="")
        parser.add_argument(
            "--dry-run", action="store_true", help="only say what it would do to what he pays"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        customer = find_user(options["email"])
        try:
            if options["act"] == "set":
                rate = decimal(options["rate"], "rate") if options["rate"] else None
                discount = decimal(options["discount"], "discount") if options["discount"] else None
                service = _service(options["service"])
                if options["dry_run"]:
                    tell_effect(
                        self, effect_of_special_rate(customer, service, rate=rate, discount_percent=discount)
                    )
                    return
                set_special_rate(
                    customer, service, rate=rate, discount_percent=discount, note=options["note"], by=self.by
                )
            elif options["act"] == "copy":
                if not options["source"]:
                    raise CommandError("Say with --from whose prices are to be copied.")
                source = find_user(options["source"])
                if options["dry_run"]:
                    tell_effect(self, effect_of_copying(source, customer))
                    return
                count = copy_special_rates(source, customer, by=self.by)
                self.say({"copied": count}, f"{counted(count, 'special rate')} copied.")
                return
            elif options["act"] == "reset":
                one = _service(options["service"]) if options["service"] else None
                if options["dry_run"]:
                    tell_effect(self, effect_of_ending(customer, one))
                    return
                count = reset_special_rates(customer, one, by=self.by)
                self.say({"ended": count}, f"{counted(count, 'special rate')} ended.")
                return
        except InvalidRate as error:
            raise CommandError(str(error)) from None
        for price in prices_of(customer):
            told = {
                "service": price.service.pk,
                "rate": price.special.rate,
                "discount_percent": price.special.discount_percent,
                "list_rate": price.list_rate,
                "pays": price.pays,
                "note": price.special.note,
            }
            self.say(
                told,
                f"{price.service}: pays {price.pays.normalize():f}, listed {price.list_rate.normalize():f}",
            )


def _service(number: int | None) -> Service:
    service = Service.objects.filter(pk=number or 0).first()
    if service is None:
        raise CommandError(f"There is no service {number}." if number else "Say with --service which one.")
    return service
