"""What commands name: PROVIDER (an id, an exact name, or nothing for all), a service, a price list, ids of rows."""

from django.core.management.base import CommandError

from customers.models import PriceGroup
from providers.finding import NoSuchProvider, find_provider
from providers.models import Provider, Service

STANDARD = "standard"  # the list of everybody who is on no other; no list can have this name


def chosen(text: str) -> Provider:
    """One provider. CommandError when there is none."""
    try:
        return find_provider(text)
    except NoSuchProvider as error:
        raise CommandError(str(error)) from None


def chosen_or_all(text: str | None) -> list[Provider]:
    """The one that is named, else all that are not archived and are asked by API."""
    if text:
        return [chosen(text)]
    return list(Provider.objects.filter(archived_at=None).exclude(adapter="manual").order_by("id"))


def chosen_service(number: int) -> Service:
    """One of our services, by the number that customers see. CommandError when there is none."""
    service = Service.objects.select_related("category").filter(pk=number).first()
    if service is None:
        raise CommandError(f"There is no service {number}.")
    return service


def chosen_list(name: str | None) -> PriceGroup | None:
    """A price list by its exact name; None for the standard one. CommandError when there is none."""
    if name is None or name.strip().lower() == STANDARD:
        return None
    group = PriceGroup.objects.filter(name=" ".join(name.split())).first()
    if group is None:
        raise CommandError(f"There is no price list named {name}.")
    return group


def numbers(texts: list[str], what: str) -> list[int]:
    """Numbers of rows as they were typed. CommandError names the first that is none."""
    for text in texts:
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise CommandError(f"{text!r} is not the number of a {what}.")
    return [int(text) for text in texts]
