"""Taking a credited payment back, after the bank took it back from us."""

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from customers.access import allowed, confirm_again, staff_of
from customers.figures import money as shown
from customers.models import DepositRequest
from customers.reversing import CannotReverse, reverse_payment, split_now
from customers.wallet import balance_of


class ReasonForm(forms.Form):
    reason = forms.CharField(
        label=gettext_lazy("Why the payment is taken back"),
        max_length=200,
        help_text=gettext_lazy("The customer reads it in his ledger."),
    )


@allowed("deposit.reverse")
@require_http_methods(["GET", "HEAD", "POST"])
def payment_reverse(request: HttpRequest, pk: int) -> HttpResponse:
    """What it takes from the wallet and what is owed then, and the form; it wants the password or second factor."""
    asked = get_object_or_404(DepositRequest.objects.select_related("user"), pk=pk)
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        confirm_again(request)
        try:
            asked, split = reverse_payment(
                pk, form.cleaned_data["reason"], by=staff_of(request), request=request
            )
        except CannotReverse as error:
            form.add_error(None, str(error))
        else:
            words = {"taken": shown(split.taken), "who": asked.user, "owed": shown(split.owed)}
            text = _("%(taken)s taken back from %(who)s.") % words
            if split.owed:
                text += " " + _("%(owed)s is owed and repaid first by the next deposit.") % words
            messages.success(request, text)
            return redirect("manage_money")
    context = {"asked": asked, "form": form, "balance": balance_of(asked.user), "split": split_now(asked)}
    return render(request, "manage/payment_reverse.html", context, status=422 if form.is_bound else 200)
