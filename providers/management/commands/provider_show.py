from typing import Any

from django.core.management.base import CommandParser

from customers.management.command_line import Command as Base
from providers.connecting import options_of
from providers.management.choosing import chosen
from providers.models import CatalogChange, Offer, Provider, Service
from providers.stopping import WHY


class Command(Base):
    help = "Everything about one provider but its key."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("provider", help="id or exact name")

    def handle(self, *args: Any, **options: Any) -> None:
        answer = shown(chosen(options["provider"]))
        self.say(answer, "\n".join(f"{name}: {_text(value)}" for name, value in answer.items()))


def shown(provider: Provider) -> dict[str, Any]:
    offers = Offer.objects.filter(provider=provider)
    on_sale = Service.objects.filter(published=True, off_sale="", routes__offer__provider=provider)
    return {
        "id": provider.pk,
        "name": provider.name,
        "state": provider.state,
        "pause_kind": provider.pause_kind,
        "pause_reason": provider.pause_reason,
        "breaker": provider.breaker,
        "breaker_until": provider.breaker_until,
        "archived": provider.archived_at is not None,
        "not_sold": WHY.get(provider.stopped, ""),
        "url": provider.api_url,
        "adapter": provider.adapter,
        "note": provider.note,
        "low_balance": provider.low_balance,
        "balance": provider.balance,
        "currency": provider.currency,
        "offers": offers.filter(gone_at=None).count(),
        "on_hold": offers.exclude(on_hold="").count(),
        "changes_waiting": CatalogChange.objects.filter(
            provider=provider, state=CatalogChange.State.STAGED
        ).count(),
        "on_sale": on_sale.distinct().count(),
        "last_error": provider.last_error,
        "last_error_at": provider.last_error_at,
        "last_sync": {
            "catalog": provider.last_catalog_at,
            "balance": provider.balance_at,
            "status": provider.last_status_at,
            "submit": provider.last_submit_at,
        },
        "options": options_of(provider),
    }


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(inner)}" for name, inner in value.items())
    return "–" if value is None or value == "" else str(value)
