"""Customers report a service: a notice to staff, once per customer and service while it is open."""

from django.db.models import QuerySet

from customers.models import User
from providers.alerts import raise_alert
from providers.models import Alert, Service

MOST_OPEN = 20  # reports of one customer that wait for an answer
LONGEST = 300


class TooManyReports(Exception):
    """This customer's earlier reports wait for an answer first."""


def report_service(user: User, service: Service, words: str) -> None:
    """Open a notice for staff with the customer's words; saying it again adds to the open one.

    Raises TooManyReports.
    """
    key = f"report:{service.pk}:{user.pk}"
    mine = reports_of(user).filter(closed_at=None)
    if not mine.filter(key=key).exists() and mine.count() >= MOST_OPEN:
        raise TooManyReports
    said = " ".join(words.split())[:LONGEST]
    raise_alert(key, f"{user.email[:60]} reports service {service.pk}: {said}", level=Alert.Level.NOTICE)


def forget_reports(user: User) -> None:
    """An erased customer's reports stay with his number in place of his e-mail and without his words."""
    for alert in reports_of(user):
        service = alert.key.split(":")[1]
        Alert.objects.filter(pk=alert.pk).update(text=f"customer {user.pk} reports service {service}")


def reports_of(user: User) -> QuerySet[Alert]:
    """The notices that this customer's reports opened, those of others excepted."""
    return Alert.objects.filter(key__startswith="report:", key__endswith=f":{user.pk}")
