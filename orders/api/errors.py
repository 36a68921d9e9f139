"""The sentences that clients compare literally. They are the wire format, so they are never translated."""


class Refusal(Exception):
    """Answered as {"error": text}. Nothing was bought or changed by the request."""

    status = 200

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text
        self.headers: dict[str, str] = {}


class TooFast(Refusal):
    """The only refusal besides TooLarge that is told by the HTTP status as well."""

    status = 429

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(RATE_LIMIT)
        self.headers = {"Retry-After": str(retry_after_s)}


class TooLarge(Refusal):
    status = 413

    def __init__(self) -> None:
        super().__init__(TOO_LARGE)


class Closed(Refusal):
    """Maintenance: the client comes back later with the same call."""

    status = 503

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(DOWN)
        self.headers = {"Retry-After": str(retry_after_s)}


INVALID_KEY = "Invalid API key"
ADDRESS = "IP not allowed"
SCOPE = "API key not authorized for this action"
SUSPENDED = "Account suspended"
INCORRECT_REQUEST = "Incorrect request"
TOO_LARGE = "Request too large"
TOO_MANY_IDS = "Incorrect request: more than 100 ids"
RATE_LIMIT = "Rate limit exceeded"
SERVICE = "Incorrect service ID"
ORDER = "Incorrect order ID"
REFILL = "Refill not found"
FUNDS = "Not enough funds on balance"
LINK = "Bad link"
LINK_DENIED = "Bad link: not accepted here"
REQUEST_ID_REUSED = "Incorrect request: request_id was used for another order"
DOWN = "Service unavailable"


def less_than(limit: int) -> str:
    return f"Quantity less than minimal {limit}"


def more_than(limit: int) -> str:
    return f"Quantity more than maximum {limit}"


def missing(parameter: str) -> str:
    return f"Missing required parameter: {parameter}"


def wrong(parameter: str) -> str:
    return f"Incorrect parameter: {parameter}"
