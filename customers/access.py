"""Who may open a page: one decorator, outermost on the view, so that a wrong role is told nothing else.

    @allowed("request.decide")      @allowed("catalog.see", changes="price.edit")
    @require_POST                   @require_http_methods(["GET", "HEAD", "POST"])
    def decide(request): …          def price_list(request, pk): …

The verb is a line of the table in customers/permissions.py. Nobody at all is turned away before
(LoginRequiredMiddleware: deny by default). A wrong role gets the 403 page; staff read there who may.
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Concatenate, ParamSpec

from allauth.account.internal.flows.reauthentication import raise_if_reauthentication_required
from allauth.mfa.utils import is_mfa_enabled
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import Resolver404, resolve
from django.utils.translation import gettext as _

from customers.models import User
from customers.permissions import TABLE, may, who_may, works_here

Arguments = ParamSpec("Arguments")
View = Callable[Concatenate[HttpRequest, Arguments], HttpResponseBase]
READS = ("GET", "HEAD")


def allowed(*verbs: str, changes: str = "") -> Callable[[View[Arguments]], View[Arguments]]:
    """For staff whose role may do one of `verbs`, with a second factor; `changes`: what a POST needs instead.

    A view with several acts names all their verbs, and asks `require` for the one that was chosen. KeyError at import
    for a verb that the table does not have.
    """
    for verb in (*verbs, changes) if changes else verbs:
        TABLE[verb]

    def guard(view: View[Arguments]) -> View[Arguments]:
        @wraps(view)
        def guarded(
            request: HttpRequest, *args: Arguments.args, **kwargs: Arguments.kwargs
        ) -> HttpResponseBase:
            needed = (changes,) if changes and request.method not in READS else verbs
            user = staff_of(request)
            if not any(may(user, verb) for verb in needed):
                raise PermissionDenied(_refusal(user, needed[0]))
            return second_factor_first(request) or view(request, *args, **kwargs)

        guarded.reading_verbs = verbs  # type: ignore[attr-defined]  # for the test of the table
        guarded.changing_verbs = (changes,) if changes else verbs  # type: ignore[attr-defined]
        return guarded

    return guard


def opens(user: User, address: str) -> bool:
    """Whether the page at a local address would let him in, by the verbs it names: one that names none is not staff's
    alone. False where there is no page."""
    verbs = _verbs_of(address)
    return verbs is not None and (not verbs or any(may(user, verb) for verb in verbs))


@lru_cache(maxsize=256)  # asked for every link of every page, and the same while a process lives
def _verbs_of(address: str) -> tuple[str, ...] | None:
    try:
        return tuple(getattr(resolve(address).func, "reading_verbs", ()))
    except Resolver404:
        return None


def require(user: User, verb: str) -> None:
    """Raise PermissionDenied if his role may not do it."""
    if not may(user, verb):
        raise PermissionDenied(_refusal(user, verb))


def _refusal(user: User, verb: str) -> str:
    """For staff, what they may not and who may; nothing for customers."""
    if not works_here(user):
        return ""
    return _("“%(what)s”: %(roles)s only.") % {"what": TABLE[verb].words, "roles": who_may(verb)}


def staff_of(request: HttpRequest) -> User:
    """The signed-in user, typed. PermissionDenied for nobody."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def second_factor_first(request: HttpRequest) -> HttpResponse | None:
    """Where staff without a second factor must go before anything else; None for those who have one.

    The answer is kept with the session, because asking costs a query on every page; panel.reader forgets it when
    the pages that change the second factor are opened.
    """
    if request.session.get("second_factor"):
        return None
    if not is_mfa_enabled(request.user):
        messages.warning(request, _("Staff sign in with a second step. Set it up to go on."))
        return redirect("mfa_activate_totp")
    request.session["second_factor"] = True
    return None


def confirm_again(request: HttpRequest) -> None:
    """Ask for the password or second factor again, unless that was done in the last five minutes.

    Raises allauth's ReauthenticationRequired: its middleware keeps what was posted, asks, and then calls the view
    once more with it, so nothing that was typed is lost. The address must carry no query string for that.
    """
    raise_if_reauthentication_required(request, app="")
