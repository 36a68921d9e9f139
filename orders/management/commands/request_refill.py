"""request_refill ORDER_ID: ask for a refill, as the customer would."""

from orders.management.asking import AskCommand
from orders.requests import ask_refill


class Command(AskCommand):
    help = "Ask for a refill of an order; repeated, it returns the open request."
    ask = staticmethod(ask_refill)
