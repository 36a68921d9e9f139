from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from customers.management.command_line import Command as Base
from customers.management.command_line import decimal
from providers.archiving import CannotArchive, archive, bring_back, change_details, check_nothing_waits
from providers.connecting import InvalidProvider, change_connection
from providers.currency_doubt import NothingToSettle, confirm_currency
from providers.management.choosing import chosen
from providers.management.simulations import tell_effect
from providers.models import Provider
from providers.rotating import problem_with_key
from providers.supply_effects import effect_of_archiving, effect_of_currency


class Command(Base):
    help = (
        "Rename a provider, keep a note, say when its balance is low; rotate its key, change its address, dialect, "
        "currency or options; archive it or bring it back. All of what is given, or nothing."
    )
    verb = "provider.edit"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("provider", help="id or exact name")
        parser.add_argument("--name", help="a new name")
        parser.add_argument("--note", help="for admins; an empty one removes it")
        parser.add_argument(
            "--low-balance", metavar="AMOUNT", help="warn below, in its currency; none: no warning"
        )
        parser.add_argument("--key", help="a new key; - reads it from standard input")
        parser.add_argument(
            "--try-key",
            action="store_true",
            help="ask for the balance with the new key; keep it if that works",
        )
        parser.add_argument("--url", help="a new address, which clears the key unless a new one is given too")
        parser.add_argument("--adapter")
        parser.add_argument("--currency")
        parser.add_argument("--option", action="append", default=[], metavar="k=v", help="repeat for several")
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="only say what another --currency, or --archive, would do to prices and profit",
        )
        parser.add_argument(
            "--confirm-currency",
            action="store_true",
            help="its rates are in the currency that is set, though its balance came in another",
        )
        end = parser.add_mutually_exclusive_group()
        end.add_argument("--archive", action="store_true")
        end.add_argument("--bring-back", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        provider = chosen(options["provider"])
        if options["dry_run"]:
            self._foresee(provider, options)
            return
        key = input() if options["key"] == "-" else options["key"]
        pairs = [text.partition("=") for text in options["option"]]
        if any(not name or not sign for name, sign, _ in pairs):
            raise CommandError("An option is written as name=value.")
        if options["try_key"]:
            _try(provider, key, options)
        try:
            with transaction.atomic():
                self._connect(provider, key, {name.strip(): value for name, _, value in pairs}, options)
                self._describe(provider, options)
                if options["confirm_currency"]:
                    confirm_currency(provider, by=self.by)
                if options["archive"]:
                    archive(provider, by=self.by)
                elif options["bring_back"]:
                    bring_back(provider, by=self.by)
        except (InvalidProvider, CannotArchive, NothingToSettle) as error:
            raise CommandError(str(error)) from None
        told = {
            "id": provider.pk,
            "name": provider.name,
            "key_set": bool(provider.key),
            "low_balance": provider.low_balance,
            "archived": provider.archived_at is not None,
        }
        self.say(
            told, f"{provider.name} changed." if provider.key else f"{provider.name} changed; it has no key."
        )

    def _foresee(self, provider: Provider, options: dict[str, Any]) -> None:
        if options["archive"] and not options["currency"]:
            try:
                check_nothing_waits(provider)
            except CannotArchive as error:
                raise CommandError(str(error)) from None
            tell_effect(self, effect_of_archiving(provider))
        elif options["currency"] and not options["archive"]:
            tell_effect(self, effect_of_currency(provider, options["currency"].strip().upper()))
        else:
            raise CommandError(
                "--dry-run says what another --currency or --archive would do; nothing else changes a price."
            )

    def _connect(
        self, provider: Provider, key: str | None, given: dict[str, str], options: dict[str, Any]
    ) -> None:
        change_connection(
            provider,
            api_url=options["url"],
            key=key,
            adapter=options["adapter"],
            currency=options["currency"],
            by=self.by,
        )
        if given:  # over those that the dialect of the first step left
            change_connection(provider, options={**provider.options, **given}, by=self.by)

    def _describe(self, provider: Provider, options: dict[str, Any]) -> None:
        low, typed = provider.low_balance, options["low_balance"]
        if typed is not None:
            low = None if typed == "none" else decimal(typed, "balance")
            if low is not None and (low < 0 or low != round(low, 6)):
                raise CommandError("A balance to warn at is zero or more, with at most 6 decimals.")
        name, note = options["name"], options["note"]
        change_details(
            provider,
            name=provider.name if name is None else name,
            note=provider.note if note is None else note,
            low_balance=low,
            by=self.by,
        )


def _try(provider: Provider, key: str | None, options: dict[str, Any]) -> None:
    if not key or options["url"] or options["adapter"]:
        raise CommandError("--try-key tries a new --key at the present address and dialect.")
    if problem := problem_with_key(provider, key):
        raise CommandError(f"The provider was asked with this key, and nothing was saved: {problem}")
