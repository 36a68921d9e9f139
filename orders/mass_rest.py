"""The lines that "Place the good lines" left, kept whole until they can be mended: pasted text is in no file.

In a table of their own and not in the session, which is read on every page and would carry two megabytes with it.
"""

from collections.abc import Sequence
from datetime import timedelta

from django.utils import timezone

from customers.models import User
from orders.mass_lines import Line, written
from orders.models import MassRest

KEPT_FOR = timedelta(days=30)
KEPT_OF_ONE = 20  # a customer's newest: each may be two megabytes of text


def keep_rest(user: User, token: str, text: str, left: Sequence[Line]) -> None:
    """Keep the lines `left` of `text`. A repeat of the same form keeps them again, once."""
    values = {"lines": written(text, left), "size": len(left), "at": timezone.now()}
    MassRest.objects.update_or_create(user=user, token=token, defaults=values)
    mine = MassRest.objects.filter(user=user)
    newest = list(mine.order_by("-at", "-pk").values_list("pk", flat=True)[:KEPT_OF_ONE])
    mine.exclude(pk__in=newest).delete()


def rest_of(user: User, token: str) -> MassRest | None:
    """What this user's mass order left; None where nothing was, or it is long ago."""
    return MassRest.objects.filter(user=user, token=token).first()


def forget_old_rests() -> int:
    """Drop those of a month ago; returns how many."""
    return MassRest.objects.filter(at__lt=timezone.now() - KEPT_FOR).delete()[0]
