"""Who calls, and whether he may: the key, its address list and scope, the state of the account."""

from django.http import HttpRequest

from customers.api_keys import allows_address, look_up_api_key, note_use
from customers.models import ApiKey
from customers.permissions import works_here
from orders.api.errors import ADDRESS, INVALID_KEY, SCOPE, SUSPENDED, Closed, Refusal
from orders.api.parsing import Parameters

CLOSED_FOR_S = 300  # what clients are told to wait; maintenance may end sooner


def admit(request: HttpRequest, parameters: Parameters) -> ApiKey:
    """The key that was sent, with its user. One query, and one more a minute to note the use.

    A revoked and an expired key answer like one that never was. Raises Refusal.
    """
    key = look_up_api_key(parameters.get("key", ""))
    if key is None:
        raise Refusal(INVALID_KEY)
    if getattr(key, "maintenance", False) and not works_here(key.user):
        raise Closed(CLOSED_FOR_S)
    if not key.user.is_active or key.user.api_suspended:
        raise Refusal(SUSPENDED)
    if not allows_address(key, request.META.get("REMOTE_ADDR", "")):
        raise Refusal(ADDRESS)
    note_use(key)
    return key


def require(key: ApiKey, scope: str) -> None:
    if scope not in key.scopes:
        raise Refusal(SCOPE)
