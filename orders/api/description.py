"""What the API offers, once: the reference page and the OpenAPI document are both made from this table.

Its sentences are English; the document holds them so, the page shows them in the reader's language.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.utils.translation import gettext_noop

from customers.stored_words import said
from orders.api import errors
from orders.api.limits import PER_MINUTE
from providers.service_types import MAX_INTERVAL, MAX_RUNS, TYPES

VERSION = "2.0.0"
NEEDED = (gettext_noop("required"), gettext_noop("optional"), gettext_noop("by type"))


@dataclass(frozen=True)
class Parameter:
    """`kind`: text, lines, id, ids, number. `needed`: a key of NEEDED."""

    name: str
    needed: str
    meaning: str
    kind: str = "text"
    example: str = ""
    figures: Mapping[str, str | int] = field(default_factory=dict)  # what stands in the meaning

    @property
    def english(self) -> str:
        return self.meaning % self.figures if self.figures else self.meaning

    @property
    def words(self) -> str:
        """The meaning in the reader's language."""
        return said(self.meaning) % self.figures if self.figures else said(self.meaning)


@dataclass(frozen=True)
class Method:
    """One way to call an action. `shape` names the answer's schema in the OpenAPI document."""

    slug: str
    action: str
    title: str
    about: str
    scope: str
    shape: str
    parameters: tuple[Parameter, ...] = ()
    answer: str = ""
    errors: tuple[str, ...] = ()

    @property
    def per_minute(self) -> int:
        return PER_MINUTE[self.action]


_ORDER = Parameter("order", "required", gettext_noop("Order number"), "id", "{order}")
_ORDERS = Parameter(
    "orders",
    "required",
    gettext_noop("Up to 100 order numbers, separated by commas"),
    "ids",
    "{order},{second}",
)


def _type_parameters() -> tuple[Parameter, ...]:
    """The parameters that only some service types have, each once, with the types that need it."""
    types: dict[str, list[str]] = {}
    kinds: dict[str, str] = {}
    for service_type in TYPES.values():
        for wanted in service_type.fields if service_type.sellable else ():
            types.setdefault(wanted.name, []).append(service_type.name)
            kinds[wanted.name] = "lines" if wanted.kind == "lines" else "text"
    return tuple(
        Parameter(
            name,
            "by type",
            gettext_noop("One per line. For: %(types)s")
            if kinds[name] == "lines"
            else gettext_noop("For: %(types)s"),
            kinds[name],
            figures={"types": ", ".join(names)},
        )
        for name, names in types.items()
    )


METHODS = (
    Method(
        "services",
        "services",
        gettext_noop("Service list"),
        gettext_noop(
            "Everything you can order now, at your own prices. The rate is for 1000, or for one order of a package."
        ),
        "read",
        "services",
        answer='[{"service":{service},"name":"…","type":"Default","category":"…","rate":"0.90","min":"50",'
        '"max":"10000","refill":true,"cancel":true,"dripfeed":true}]',
    ),
    Method(
        "add",
        "add",
        gettext_noop("Add order"),
        gettext_noop(
            "Places an order and takes its charge from your balance. Which fields are needed depends on the service type."
        ),
        "order",
        "added",
        (
            Parameter(
                "service", "required", gettext_noop("Service ID from the service list"), "id", "{service}"
            ),
            Parameter(
                "link",
                "required",
                gettext_noop("Link to the page, or what the service asks for"),
                "text",
                "{link}",
            ),
            Parameter(
                "quantity",
                "by type",
                gettext_noop("Not sent for packages and lists, where the lines count"),
                "number",
                "{quantity}",
            ),
            *_type_parameters(),
            Parameter(
                "runs",
                "optional",
                gettext_noop("Drip-feed: how many runs, up to %(most)s"),
                "number",
                figures={"most": MAX_RUNS},
            ),
            Parameter(
                "interval",
                "optional",
                gettext_noop("Drip-feed: minutes between runs, up to %(most)s"),
                "number",
                figures={"most": MAX_INTERVAL},
            ),
            Parameter(
                "request_id",
                "optional",
                gettext_noop(
                    "Your own unique text of up to 128 characters. The same one again answers the first order"
                ),
                "text",
                "{request_id}",
            ),
        ),
        answer='{"order":{order}}',
        errors=(errors.FUNDS, errors.SERVICE, errors.LINK, errors.less_than(50), errors.more_than(10000)),
    ),
    Method(
        "status",
        "status",
        gettext_noop("Order status"),
        gettext_noop(
            "How far an order is. The charge is what it costs after refunds; remains counts down to 0."
        ),
        "read",
        "status",
        (_ORDER,),
        answer='{"charge":"0.27819","start_count":"3572","status":"Partial","remains":"157","currency":"{currency}"}',
        errors=(errors.ORDER,),
    ),
    Method(
        "statuses",
        "status",
        gettext_noop("Several orders"),
        gettext_noop("The same for up to 100 orders in one call, keyed by order number."),
        "read",
        "statuses",
        (_ORDERS,),
        answer='{"{order}":{"charge":"0.27819","start_count":"3572","status":"Partial","remains":"157",'
        '"currency":"{currency}"},"{second}":{"error":"Incorrect order ID"}}',
        errors=(errors.TOO_MANY_IDS,),
    ),
    Method(
        "refill",
        "refill",
        gettext_noop("Create refill"),
        gettext_noop(
            "Asks for a refill of a completed order whose count fell. Asking again answers the open refill."
        ),
        "refill",
        "refill",
        (_ORDER,),
        answer='{"refill":"1"}',
        errors=(errors.ORDER, "The refill period of this order has ended."),
    ),
    Method(
        "refills",
        "refill",
        gettext_noop("Several refills"),
        gettext_noop("The same for up to 100 orders, answered in the order you asked."),
        "refill",
        "refills",
        (_ORDERS,),
        answer='[{"order":{order},"refill":1},{"order":{second},"refill":{"error":"Incorrect order ID"}}]',
        errors=(errors.TOO_MANY_IDS,),
    ),
    Method(
        "refill-status",
        "refill_status",
        gettext_noop("Refill status"),
        gettext_noop("Pending, In progress, Completed or Rejected."),
        "read",
        "refill_status",
        (Parameter("refill", "required", gettext_noop("Refill number"), "id", "1"),),
        answer='{"status":"Completed"}',
        errors=(errors.REFILL,),
    ),
    Method(
        "refill-statuses",
        "refill_status",
        gettext_noop("Several refill statuses"),
        gettext_noop("The same for up to 100 refills, answered in the order you asked."),
        "read",
        "refill_statuses",
        (
            Parameter(
                "refills",
                "required",
                gettext_noop("Up to 100 refill numbers, separated by commas"),
                "ids",
                "1,2",
            ),
        ),
        answer='[{"refill":1,"status":"Completed"},{"refill":2,"status":{"error":"Refill not found"}}]',
        errors=(errors.TOO_MANY_IDS,),
    ),
    Method(
        "cancel",
        "cancel",
        gettext_noop("Cancel orders"),
        gettext_noop(
            "Asks to cancel up to 100 orders. 1 means that the request was taken; whether an order is Canceled or Partial, "
            "and what came back, its status tells. One order may be given as order; the answer is then "
            '{"order":…,"cancel":1,"status":"success"}.'
        ),
        "cancel",
        "cancels",
        (_ORDERS,),
        answer='[{"order":{order},"cancel":1},{"order":{second},"cancel":{"error":"Incorrect order ID"}}]',
        errors=(errors.TOO_MANY_IDS,),
    ),
    Method(
        "balance",
        "balance",
        gettext_noop("Balance"),
        gettext_noop("What you can spend now."),
        "read",
        "balance",
        answer='{"balance":"100.84292","currency":"{currency}"}',
    ),
)

ERRORS: tuple[tuple[str, str], ...] = (
    (errors.INVALID_KEY, gettext_noop("The key is unknown, revoked or expired.")),
    (
        errors.ADDRESS,
        gettext_noop(
            "The key may not be used from this address; its allowed addresses are set on this page."
        ),
    ),
    (errors.SCOPE, gettext_noop("The key lacks the permission for this action.")),
    (errors.SUSPENDED, gettext_noop("The account is suspended. Nothing was charged. Write to support.")),
    (
        errors.INCORRECT_REQUEST,
        gettext_noop("The action is unknown, or the body is not what its content type says."),
    ),
    (errors.TOO_MANY_IDS, gettext_noop("More than 100 ids in one call.")),
    (
        errors.SERVICE,
        gettext_noop("There is no such service, or it is not on sale now. Nothing was charged."),
    ),
    (errors.LINK, gettext_noop("The link is missing, too long, or holds characters that cannot be sent.")),
    (
        errors.LINK_DENIED,
        gettext_noop("Orders for this link are not accepted here. The same order would be refused again."),
    ),
    (
        "Quantity less than minimal N",
        gettext_noop("N is the least; also when the quantity is missing or not a number."),
    ),
    ("Quantity more than maximum N", gettext_noop("N is the most.")),
    ("Missing required parameter: NAME", gettext_noop("The service type needs this parameter.")),
    ("Incorrect parameter: NAME", gettext_noop("The parameter cannot be used as it was sent.")),
    (errors.FUNDS, gettext_noop("The order costs more than your balance. Nothing was charged.")),
    (
        errors.REQUEST_ID_REUSED,
        gettext_noop("The same request_id came with other parameters. Nothing was charged."),
    ),
    (errors.ORDER, gettext_noop("There is no such order of yours.")),
    (errors.REFILL, gettext_noop("There is no such refill of yours.")),
    (errors.RATE_LIMIT, gettext_noop("HTTP 429. Wait for the seconds in Retry-After, then go on.")),
    (errors.TOO_LARGE, gettext_noop("HTTP 413. The body is larger than 2 MB.")),
    (errors.DOWN, gettext_noop("HTTP 503. Read again later; repeat an add only with a request_id.")),
)

CHANGES: tuple[tuple[str, str], ...] = (
    (
        "2.0.0",
        gettext_noop(
            "First version: all actions of the panel API v2, keys with permissions, request_id, rate limits."
        ),
    ),
)
