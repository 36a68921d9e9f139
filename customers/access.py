"""Who may open a page: one decorator per role, outermost on the view, so that a wrong role is told nothing else.

    @reviewers_only                 @admins_only
    @require_POST                   @require_safe
    def decide(request): …          def providers(request): …

Nobody at all is turned away before (LoginRequiredMiddleware: deny by default). A wrong role gets the 403 page.
"""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from allauth.account.internal.flows.reauthentication import raise_if_reauthentication_required
from allauth.mfa.utils import is_mfa_enabled
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from customers.models import User

Arguments = ParamSpec("Arguments")
View = Callable[Concatenate[HttpRequest, Arguments], HttpResponseBase]


def reviewers_only(view: View[Arguments]) -> View[Arguments]:
    """Staff pages: reviewers, admins and superusers, each with a second factor."""
    return _only_for(lambda user: user.reviews, view)


def admins_only(view: View[Arguments]) -> View[Arguments]:
    """Pages with cost, margin, providers' keys and balances, or the team: admins and superusers."""
    return _only_for(lambda user: user.manages, view)


def _only_for(may: Callable[[User], bool], view: View[Arguments]) -> View[Arguments]:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Arguments.args, **kwargs: Arguments.kwargs) -> HttpResponseBase:
        if not may(staff_of(request)):
            raise PermissionDenied
        return second_factor_first(request) or view(request, *args, **kwargs)

    return guarded


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
