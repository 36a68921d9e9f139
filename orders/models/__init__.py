from orders.models.order import Order, OrderEvent
from orders.models.request import Request
from orders.models.submission import DispatchSwitch, Submission, SubmissionAttempt

__all__ = ["DispatchSwitch", "Order", "OrderEvent", "Request", "Submission", "SubmissionAttempt"]
