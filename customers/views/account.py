"""Profile and security: a person's own account. Password, second step, e-mail and sessions are allauth's pages."""

from typing import Any
from urllib.parse import quote

from allauth.mfa.utils import is_mfa_enabled
from allauth.usersessions.adapter import get_adapter as sessions_adapter
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from customers import site_settings
from customers.access import staff_of as signed_in
from customers.api_keys import live_keys
from customers.erasing import ask_for_deletion
from customers.figures import browser_name
from customers.models import User
from customers.profile_forms import NoticesForm, ProfileForm


@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    form = ProfileForm(request.POST or None, instance=User.objects.get(pk=user.pk))
    if request.method == "POST" and form.is_valid():
        form.instance.save(update_fields=list(form.Meta.fields))
        if form.instance.language:  # the answer to this request is in it already
            translation.activate(form.instance.language)
        messages.success(request, _("Saved."))
        return redirect("account_profile")
    context = {"form": form, "security": _security(user)}
    return render(request, "account/profile.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def notices(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    form = NoticesForm(user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        User.objects.filter(pk=user.pk).update(notices=form.chosen())
        messages.success(request, _("Saved. It counts from the next mail on."))
        return redirect("account_notices")
    return render(request, "account/notices.html", {"form": form}, status=422 if form.is_bound else 200)


@require_POST
def end_session(request: HttpRequest, session_id: int) -> HttpResponse:
    """Sign one other place out, at once. The place where this is asked signs out by its own button."""
    others = UserSession.objects.filter(user=signed_in(request)).exclude(
        session_key=request.session.session_key
    )
    ended = get_object_or_404(others, pk=session_id)
    sessions_adapter().end_sessions([ended])
    where = f"{browser_name(ended.user_agent)}, {ended.ip}"
    messages.success(
        request, _("Signed out there: %(where)s. Other places stay signed in.") % {"where": where}
    )
    return redirect("usersessions_list")


@require_safe
def own_data(request: HttpRequest) -> HttpResponse:
    signed_in(request)
    return render(request, "account/data.html")


@require_POST
def deletion(request: HttpRequest) -> HttpResponse:
    """A customer asks for his account to be deleted, or takes that back; staff do it."""
    user = signed_in(request)
    if user.role != User.Role.CUSTOMER:
        raise PermissionDenied
    wanted = request.POST.get("wanted") == "yes"
    ask_for_deletion(user, wanted, request)
    messages.success(
        request,
        _("We know that you want your account deleted. It works as before until then.")
        if wanted
        else _("Your account stays."),
    )
    return redirect("account_data")


@require_http_methods(["GET", "HEAD", "POST"])
def accept_terms(request: HttpRequest) -> HttpResponse:
    """The terms changed since this person accepted them: read, accept, go on where he was going."""
    user, site = signed_in(request), site_settings.of(request)
    back = request.POST.get("next") or request.GET.get("next") or "/"
    if not url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure()):
        back = "/"
    if request.method == "POST":
        # What was read is what is accepted: a version that came meanwhile asks again.
        if request.POST.get("version") == site.terms_version:
            User.objects.filter(pk=user.pk).update(
                terms_version=site.terms_version, terms_accepted_at=timezone.now()
            )
            return redirect(back)
        return redirect(f"{reverse('accept_terms')}?next={quote(back)}")
    return render(request, "account/accept_terms.html", {"next": back, "before": user.terms_version})


def _security(user: User) -> dict[str, Any]:
    return {
        "second_step": is_mfa_enabled(user),
        "sessions": UserSession.objects.filter(user=user).count(),
        "keys": live_keys(user).count(),
        "waiting": user.emailaddress_set.filter(verified=False).first(),  # type: ignore[attr-defined]
    }
