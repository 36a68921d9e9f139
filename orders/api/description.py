"""What the API offers, once: the reference page and the OpenAPI document are both made from this table."""

from dataclasses import dataclass

from orders.api import errors
from orders.api.limits import PER_MINUTE
from providers.service_types import MAX_INTERVAL, MAX_RUNS, TYPES

VERSION = "2.0.0"


@dataclass(frozen=True)
class Parameter:
    """`kind`: text, lines, id, ids, number. `needed`: required, optional, by type."""

    name: str
    needed: str
    meaning: str
    kind: str = "text"
    example: str = ""


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


_ORDER = Parameter("order", "required", "Order number", "id", "{order}")
_ORDERS = Parameter(
    "orders", "required", "Up to 100 order numbers, separated by commas", "ids", "{order},{second}"
)


def _type_parameters() -> tuple[Parameter, ...]:
    """The parameters that only some service types have, each once, with the types that need it."""
    types: dict[str, list[str]] = {}
    kinds: dict[str, str] = {}
    for service_type in TYPES.values():
        for field in service_type.fields if service_type.sellable else ():
            types.setdefault(field.name, []).append(service_type.name)
            kinds[field.name] = "lines" if field.kind == "lines" else "text"
    return tuple(
        Parameter(
            name,
            "by type",
            ("One per line. " if kinds[name] == "lines" else "") + "For: " + ", ".join(names),
            kinds[name],
        )
        for name, names in types.items()
    )


METHODS = (
    Method(
        "services",
        "services",
        "Service list",
        "Everything you can order now, at your own prices. The rate is for 1000, or for one order of a package.",
        "read",
        "services",
        answer='[{"service":{service},"name":"…","type":"Default","category":"…","rate":"0.90","min":"50",'
        '"max":"10000","refill":true,"cancel":true,"dripfeed":true}]',
    ),
    Method(
        "add",
        "add",
        "Add order",
        "Places an order and takes its charge from your balance. Which fields are needed depends on the service type.",
        "order",
        "added",
        (
            Parameter("service", "required", "Service ID from the service list", "id", "{service}"),
            Parameter("link", "required", "Link to the page, or what the service asks for", "text", "{link}"),
            Parameter(
                "quantity",
                "by type",
                "Not sent for packages and lists, where the lines count",
                "number",
                "{quantity}",
            ),
            *_type_parameters(),
            Parameter("runs", "optional", f"Drip-feed: how many runs, up to {MAX_RUNS}", "number"),
            Parameter(
                "interval", "optional", f"Drip-feed: minutes between runs, up to {MAX_INTERVAL}", "number"
            ),
            Parameter(
                "request_id",
                "optional",
                "Your own unique text of up to 128 characters. The same one again answers the first order",
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
        "Order status",
        "How far an order is. The charge is what it costs after refunds; remains counts down to 0.",
        "read",
        "status",
        (_ORDER,),
        answer='{"charge":"0.27819","start_count":"3572","status":"Partial","remains":"157","currency":"{currency}"}',
        errors=(errors.ORDER,),
    ),
    Method(
        "statuses",
        "status",
        "Several orders",
        "The same for up to 100 orders in one call, keyed by order number.",
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
        "Create refill",
        "Asks for a refill of a completed order whose count fell. Asking again answers the open refill.",
        "refill",
        "refill",
        (_ORDER,),
        answer='{"refill":"1"}',
        errors=(errors.ORDER, "The refill period of this order has ended."),
    ),
    Method(
        "refills",
        "refill",
        "Several refills",
        "The same for up to 100 orders, answered in the order you asked.",
        "refill",
        "refills",
        (_ORDERS,),
        answer='[{"order":{order},"refill":1},{"order":{second},"refill":{"error":"Incorrect order ID"}}]',
        errors=(errors.TOO_MANY_IDS,),
    ),
    Method(
        "refill-status",
        "refill_status",
        "Refill status",
        "Pending, In progress, Completed or Rejected.",
        "read",
        "refill_status",
        (Parameter("refill", "required", "Refill number", "id", "1"),),
        answer='{"status":"Completed"}',
        errors=(errors.REFILL,),
    ),
    Method(
        "refill-statuses",
        "refill_status",
        "Several refill statuses",
        "The same for up to 100 refills, answered in the order you asked.",
        "read",
        "refill_statuses",
        (Parameter("refills", "required", "Up to 100 refill numbers, separated by commas", "ids", "1,2"),),
        answer='[{"refill":1,"status":"Completed"},{"refill":2,"status":{"error":"Refill not found"}}]',
        errors=(errors.TOO_MANY_IDS,),
    ),
    Method(
        "cancel",
        "cancel",
        "Cancel orders",
        "Asks to cancel up to 100 orders. 1 means that the request was taken; whether an order is Canceled or Partial, "
        "and what came back, its status tells. One order may be given as order; the answer is then "
        '{"order":…,"cancel":1,"status":"success"}.',
        "cancel",
        "cancels",
        (_ORDERS,),
        answer='[{"order":{order},"cancel":1},{"order":{second},"cancel":{"error":"Incorrect order ID"}}]',
        errors=(errors.TOO_MANY_IDS,),
    ),
    Method(
        "balance",
        "balance",
        "Balance",
        "What you can spend now.",
        "read",
        "balance",
        answer='{"balance":"100.84292","currency":"{currency}"}',
    ),
)

ERRORS: tuple[tuple[str, str], ...] = (
    (errors.INVALID_KEY, "The key is unknown, revoked or expired."),
    (
        errors.ADDRESS,
        "The key may not be used from this address; its allowed addresses are set on this page.",
    ),
    (errors.SCOPE, "The key lacks the permission for this action."),
    (errors.SUSPENDED, "The account is suspended. Nothing was charged. Write to support."),
    (errors.INCORRECT_REQUEST, "The action is unknown, or the body is not what its content type says."),
    (errors.TOO_MANY_IDS, "More than 100 ids in one call."),
    (errors.SERVICE, "There is no such service, or it is not on sale now. Nothing was charged."),
    (errors.LINK, "The link is missing, too long, or holds characters that cannot be sent."),
    (
        errors.LINK_DENIED,
        "Orders for this link are not accepted here. The same order would be refused again.",
    ),
    ("Quantity less than minimal N", "N is the least; also when the quantity is missing or not a number."),
    ("Quantity more than maximum N", "N is the most."),
    ("Missing required parameter: NAME", "The service type needs this parameter."),
    ("Incorrect parameter: NAME", "The parameter cannot be used as it was sent."),
    (errors.FUNDS, "The order costs more than your balance. Nothing was charged."),
    (errors.REQUEST_ID_REUSED, "The same request_id came with other parameters. Nothing was charged."),
    (errors.ORDER, "There is no such order of yours."),
    (errors.REFILL, "There is no such refill of yours."),
    (errors.RATE_LIMIT, "HTTP 429. Wait for the seconds in Retry-After, then go on."),
    (errors.TOO_LARGE, "HTTP 413. The body is larger than 2 MB."),
    (errors.DOWN, "HTTP 503. Read again later; repeat an add only with a request_id."),
)

CHANGES: tuple[tuple[str, str], ...] = (
    (
        "2.0.0",
        "First version: all actions of the panel API v2, keys with permissions, request_id, rate limits.",
    ),
)
