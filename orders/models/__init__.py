from orders.models.mass import MassRest
from orders.models.order import Order, OrderEvent
from orders.models.request import Request
from orders.models.submission import DispatchSwitch, Submission, SubmissionAttempt
from orders.models.tally import StaleHour, TalliedSpan, Tally

__all__ = [
    "DispatchSwitch",
    "MassRest",
    "Order",
    "OrderEvent",
    "Request",
    "StaleHour",
    "Submission",
    "SubmissionAttempt",
    "TalliedSpan",
    "Tally",
]
