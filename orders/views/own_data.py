"""The download of one's own data."""

from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from customers.access import staff_of as signed_in
from customers.audit import record
from orders.own_data import document


@require_safe
def own_data(request: HttpRequest) -> StreamingHttpResponse:
    user = signed_in(request)
    record(user, "export.own_data", user, f"Own data downloaded by {user.email}", {}, request)
    name = f"my-data-{timezone.now():%Y-%m-%d}.json"
    return StreamingHttpResponse(
        document(user),
        content_type="application/json; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )
