"""action=add: the parameters of one order, placed by the same act as the web form."""

from customers.models import ApiKey
from customers.wallet import InsufficientFunds
from orders.api import errors
from orders.api.errors import Refusal
from orders.api.following import number_of
from orders.api.parsing import Parameters
from orders.api.shapes import Answer
from orders.placing import CannotPlace, NotOnSale, RequestIdReused, Suspended, place_order
from providers.models import Service
from providers.service_types import TYPES, InvalidOrder, printable

LONGEST_REQUEST_ID = 128
# What an order may consist of. Everything else a client sends is ignored, and is no part of the idempotency hash.
ORDER_PARAMETERS = frozenset({"link", "quantity", "runs", "interval"}) | frozenset(
    field.name for service_type in TYPES.values() if service_type.sellable for field in service_type.fields
)


def add(key: ApiKey, parameters: Parameters) -> Answer:
    """Place the order and answer its number. With a request id that was used before, the first order's."""
    service_id = number_of(parameters.get("service", ""))
    if service_id is None:
        raise Refusal(errors.SERVICE)
    asked = {name: text for name, text in parameters.items() if name in ORDER_PARAMETERS}
    try:
        order = place_order(key.user, service_id, asked, source="api", request_id=_request_id(parameters))
    except InvalidOrder as error:
        raise Refusal(_sentence(error, asked, service_id)) from None
    except NotOnSale:
        raise Refusal(errors.SERVICE) from None
    except InsufficientFunds:
        raise Refusal(errors.FUNDS) from None
    except Suspended:
        raise Refusal(errors.SUSPENDED) from None
    except RequestIdReused:
        raise Refusal(errors.REQUEST_ID_REUSED) from None
    except CannotPlace as error:
        raise Refusal(str(error)) from None
    return {"order": order.pk}


def _request_id(parameters: Parameters) -> str | None:
    given = parameters.get("request_id")
    if given is None:
        return None
    if len(given) > LONGEST_REQUEST_ID or not printable(given):
        raise Refusal(errors.wrong("request_id"))
    return f"api:{given}"


def _sentence(error: InvalidOrder, asked: Parameters, service_id: int) -> str:
    """One sentence, the link's before the quantity's before all others, as clients are used to."""
    name = min(error.codes, key=lambda name: (name != "link", name != "quantity"))
    code = error.codes[name]
    if name == "customer":
        return errors.SUSPENDED
    if name == "link":
        return errors.LINK_DENIED if code == "denied" else errors.LINK
    if name == "service":
        return errors.SERVICE
    if name == "quantity" and code in ("required", "bad"):
        return _no_number(asked.get("quantity", ""), service_id)
    if code == "min" and error.limit is not None:
        return errors.less_than(error.limit)
    if code == "max" and error.limit is not None:
        return errors.more_than(error.limit)
    return errors.missing(name) if code == "required" else errors.wrong(name)


def _no_number(given: str, service_id: int) -> str:
    """What is no number counts as 0, as in the panels that clients were written against; a far too long one as more."""
    service = Service.objects.only("minimum", "maximum").get(pk=service_id)
    too_long = given.replace(",", "").isdecimal()
    return errors.more_than(service.maximum) if too_long else errors.less_than(max(service.minimum, 1))
